
ã
@29726822b9493a4a3d5aafa5797a740a169a56674814e5818207b9fb07bd296b7
db-0$22222222-2222-4222-8222-222222222222default  şÄšêØ§õ*
io.kubernetes.pod.namedb-0*&
io.kubernetes.pod.namespacedefault*=
io.kubernetes.pod.uid$22222222-2222-4222-8222-2222222222222"
kubernetes.io/config.sourceapi21
kubernetes.io/config.seen2026-11-21T23:00:00Z
ç
@6f141564faa83dd7a89616f136397656ba96c43db4efe1760c4a863bec056d697
gone-0$33333333-3333-4333-8333-333333333333default ÒÄ¶¡Ù§õ*&
io.kubernetes.pod.namespacedefault* 
io.kubernetes.pod.namegone-0*=
io.kubernetes.pod.uid$33333333-3333-4333-8333-33333333333321
kubernetes.io/config.seen2026-11-21T23:00:00Z2"
kubernetes.io/config.sourceapi
ã
@c84aea8645c398a1ae638e3fe64bd0813e9077f222304916db9912183bb3241a6
web-0$11111111-1111-4111-8111-111111111111default ’–ŸÛÖ§õ*&
io.kubernetes.pod.namespacedefault*
io.kubernetes.pod.nameweb-0*=
io.kubernetes.pod.uid$11111111-1111-4111-8111-1111111111112"
kubernetes.io/config.sourceapi21
kubernetes.io/config.seen2026-11-21T23:00:00Z
ã
@baddcd227fc0346cea6900171fc3a2750bd34ea5d9a582c5f87cc390f1ac557b5
db-0$22222222-2222-4222-8222-222222222222default ±õ™Ø§õ*&
io.kubernetes.pod.namespacedefault*
io.kubernetes.pod.namedb-0*=
io.kubernetes.pod.uid$22222222-2222-4222-8222-2222222222222"
kubernetes.io/config.sourceapi21
kubernetes.io/config.seen2026-11-21T23:00:00Z