
û
@6961480522fa88dd1a455f99e3fb10dd0cfcbc692d889a6aa7bf84170a63eb20@c84aea8645c398a1ae638e3fe64bd0813e9077f222304916db9912183bb3241a
app"I
Gsha256:5442a201ee65fd84a29cd3387ccde17e1d4175c3b34c6c025b351d4ba24fbf3c*Gsha256:5442a201ee65fd84a29cd3387ccde17e1d4175c3b34c6c025b351d4ba24fbf3c08º†ı†×§õB#
io.kubernetes.container.nameappJ)
$io.kubernetes.container.restartCount0
ı
@318b6d61a2c20716836028547d9e4d9247788d36f7d29bf9ffd43ad1f44582f7@c84aea8645c398a1ae638e3fe64bd0813e9077f222304916db9912183bb3241a
app"I
Gsha256:5442a201ee65fd84a29cd3387ccde17e1d4175c3b34c6c025b351d4ba24fbf3c*Gsha256:5442a201ee65fd84a29cd3387ccde17e1d4175c3b34c6c025b351d4ba24fbf3c08ÕêÖÌ×§õB#
io.kubernetes.container.nameappJ)
$io.kubernetes.container.restartCount1
Í
@4c5b354754d8e2083102a5205c411006bae1c5fd688f3490cbf061b285e2ed4a@c84aea8645c398a1ae638e3fe64bd0813e9077f222304916db9912183bb3241a	
sidecar"
lab.local/pause:1*Gsha256:5442a201ee65fd84a29cd3387ccde17e1d4175c3b34c6c025b351d4ba24fbf3c08ßîî×§õB'
io.kubernetes.container.namesidecarJ)
$io.kubernetes.container.restartCount0