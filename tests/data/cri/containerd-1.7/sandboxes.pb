
ã
@2163b12c9e687b9c502ee3255ff1b8fb4cae449dc6cb17fe60f81724349f431e5
db-0$22222222-2222-4222-8222-222222222222default ±¯Šöœ§õ*&
io.kubernetes.pod.namespacedefault*=
io.kubernetes.pod.uid$22222222-2222-4222-8222-222222222222*
io.kubernetes.pod.namedb-02"
kubernetes.io/config.sourceapi21
kubernetes.io/config.seen2026-11-21T23:00:00Z
ã
@dcae9a30914e16d99d8b8c1824d41a2f822b30d5c703339f129dae449aff5d047
db-0$22222222-2222-4222-8222-222222222222default  —ªÎ¿§õ*=
io.kubernetes.pod.uid$22222222-2222-4222-8222-222222222222*
io.kubernetes.pod.namedb-0*&
io.kubernetes.pod.namespacedefault2"
kubernetes.io/config.sourceapi21
kubernetes.io/config.seen2026-11-21T23:00:00Z
ç
@a12144275d550a7875d0cf8d70d3204c3d5f16a1e6a960b0c33d2cbffe7c83087
gone-0$33333333-3333-4333-8333-333333333333default ÊÄ¼ñ§õ*&
io.kubernetes.pod.namespacedefault*=
io.kubernetes.pod.uid$33333333-3333-4333-8333-333333333333* 
io.kubernetes.pod.namegone-021
kubernetes.io/config.seen2026-11-21T23:00:00Z2"
kubernetes.io/config.sourceapi
ã
@0b6c70564f0bf17a9e8ff1fca1803823d64cb143947bb3a0f56fff6746ec94786
web-0$11111111-1111-4111-8111-111111111111default Ó‰Â˜›§õ*
io.kubernetes.pod.nameweb-0*=
io.kubernetes.pod.uid$11111111-1111-4111-8111-111111111111*&
io.kubernetes.pod.namespacedefault2"
kubernetes.io/config.sourceapi21
kubernetes.io/config.seen2026-11-21T23:00:00Z