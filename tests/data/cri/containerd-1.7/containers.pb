
û
@202456c8c4a03d18a70e9f125a954d5d07e5a296c530a5b4059e99633b30fe81@0b6c70564f0bf17a9e8ff1fca1803823d64cb143947bb3a0f56fff6746ec9478
app"I
Gsha256:5442a201ee65fd84a29cd3387ccde17e1d4175c3b34c6c025b351d4ba24fbf3c*Gsha256:5442a201ee65fd84a29cd3387ccde17e1d4175c3b34c6c025b351d4ba24fbf3c08¸ÏÜÛ›§õB#
io.kubernetes.container.nameappJ)
$io.kubernetes.container.restartCount0
ı
@2d28fa294a03635b41fbd1bf2ef3547e2c58e1a9c734dd586de1054380ce4955@0b6c70564f0bf17a9e8ff1fca1803823d64cb143947bb3a0f56fff6746ec9478
app"I
Gsha256:5442a201ee65fd84a29cd3387ccde17e1d4175c3b34c6c025b351d4ba24fbf3c*Gsha256:5442a201ee65fd84a29cd3387ccde17e1d4175c3b34c6c025b351d4ba24fbf3c08Œÿ»²œ§õB#
io.kubernetes.container.nameappJ)
$io.kubernetes.container.restartCount1
Í
@7e050b11f89260659e4948733578c9e4887a71b438783639be261f7f2110ac93@0b6c70564f0bf17a9e8ff1fca1803823d64cb143947bb3a0f56fff6746ec9478	
sidecar"
lab.local/pause:1*Gsha256:5442a201ee65fd84a29cd3387ccde17e1d4175c3b34c6c025b351d4ba24fbf3c08âİÁÖœ§õB'
io.kubernetes.container.namesidecarJ)
$io.kubernetes.container.restartCount0