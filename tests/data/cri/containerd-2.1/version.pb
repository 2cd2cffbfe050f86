
0.1.0
containerd2.1.9+unknown"v1