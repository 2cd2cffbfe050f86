
ç
@de2034db0b77fe83a10cc03ac464eb0a26a8d3e2cf30a359aec4015613d01a8c7
gone-0$33333333-3333-4333-8333-333333333333default æÑÎø÷ÅŒõ* 
io.kubernetes.pod.namegone-0*=
io.kubernetes.pod.uid$33333333-3333-4333-8333-333333333333*&
io.kubernetes.pod.namespacedefault21
kubernetes.io/config.seen2026-11-21T23:00:00Z2"
kubernetes.io/config.sourceapi
ã
@f23e58960fb14411e40f858b95d87c5a83a82c90972c144bb37ee2d9b20f2b126
web-0$11111111-1111-4111-8111-111111111111default ÂĞÃöÅŒõ*
io.kubernetes.pod.nameweb-0*=
io.kubernetes.pod.uid$11111111-1111-4111-8111-111111111111*&
io.kubernetes.pod.namespacedefault2"
kubernetes.io/config.sourceapi21
kubernetes.io/config.seen2026-11-21T23:00:00Z
ã
@9a744781b01af9dce89196ad46c52a9242db25e608b4b27065ea818c4d87d5fa5
db-0$22222222-2222-4222-8222-222222222222default ‹¸³¾÷ÅŒõ*&
io.kubernetes.pod.namespacedefault*
io.kubernetes.pod.namedb-0*=
io.kubernetes.pod.uid$22222222-2222-4222-8222-2222222222222"
kubernetes.io/config.sourceapi21
kubernetes.io/config.seen2026-11-21T23:00:00Z
ã
@5c4d8bfbd63f00345f3231ddbddd951b0171b545b99f2fd7bd6ac017ada734fe7
db-0$22222222-2222-4222-8222-222222222222default  ¶°øß÷ÅŒõ*
io.kubernetes.pod.namedb-0*=
io.kubernetes.pod.uid$22222222-2222-4222-8222-222222222222*&
io.kubernetes.pod.namespacedefault2"
kubernetes.io/config.sourceapi21
kubernetes.io/config.seen2026-11-21T23:00:00Z