
b
Gsha256:5442a201ee65fd84a29cd3387ccde17e1d4175c3b34c6c025b351d4ba24fbf3clab.local/pause:1 ³õ)@