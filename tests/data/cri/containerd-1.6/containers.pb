
û
@eadc5a9a3e501e96aa24224b6974dec7994236884e4f7fe1c306ceb5d5e4ea4a@f23e58960fb14411e40f858b95d87c5a83a82c90972c144bb37ee2d9b20f2b12
app"I
Gsha256:5442a201ee65fd84a29cd3387ccde17e1d4175c3b34c6c025b351d4ba24fbf3c*Gsha256:5442a201ee65fd84a29cd3387ccde17e1d4175c3b34c6c025b351d4ba24fbf3c08ö¢™ŞöÅŒõB#
io.kubernetes.container.nameappJ)
$io.kubernetes.container.restartCount0
ı
@1657a60b4b3a4185fcc16de25bf7ea69057bc8dc3df8b75e6447fd1f46d586d5@f23e58960fb14411e40f858b95d87c5a83a82c90972c144bb37ee2d9b20f2b12
app"I
Gsha256:5442a201ee65fd84a29cd3387ccde17e1d4175c3b34c6c025b351d4ba24fbf3c*Gsha256:5442a201ee65fd84a29cd3387ccde17e1d4175c3b34c6c025b351d4ba24fbf3c08å·ö‹÷ÅŒõB#
io.kubernetes.container.nameappJ)
$io.kubernetes.container.restartCount1
Í
@fe567d9613a6a1f098836c04e2bd5a7ef2653d1ced830f80dee7e1b28f851302@f23e58960fb14411e40f858b95d87c5a83a82c90972c144bb37ee2d9b20f2b12	
sidecar"
lab.local/pause:1*Gsha256:5442a201ee65fd84a29cd3387ccde17e1d4175c3b34c6c025b351d4ba24fbf3c08È“¨÷ÅŒõB'
io.kubernetes.container.namesidecarJ)
$io.kubernetes.container.restartCount0