
ë
Gsha256:24a21339a614b297747d585adfdcc8b87b9bcf1e201f6ccf492e1b36aa6bd94bÈ±¨‰Øê³÷"±¨‰Øöª¥„*7
+containerd.io/distribution.source.127.0.0.1team/big*n
#containerd.io/gc.ref.content.configGsha256:e00336a6b50945d8485311e903e749a5c5b82bfdea33ada987d83e9a5354e6d2*k
 containerd.io/gc.ref.content.l.0Gsha256:0fdded81b2c57a19e415b683c41d194f597216055b51f6d724aea360567ad71b*k
 containerd.io/gc.ref.content.l.1Gsha256:96fa39606a1d9abfbcff378405b59d4a90fb2418381e27ce0720b22e3ee04398

Gsha256:9a658faf487f8b93c5f246d6f7ae04ab09febff271e578f28834927a2e4f413b¦±¨‰Øèúü"±¨‰ØÏˆ»„*:
+containerd.io/distribution.source.127.0.0.1team/shared*n
#containerd.io/gc.ref.content.configGsha256:7d4e8936b192b627093779d12d204c8ffa1ac013d9389b27598d6302660eef2a*k
 containerd.io/gc.ref.content.l.0Gsha256:96fa39606a1d9abfbcff378405b59d4a90fb2418381e27ce0720b22e3ee04398