# SPDX-License-Identifier: Apache-2.0
"""
The requests whose answers are in tests/data/recordings/answers: whole HTTP responses of a real API server and a real
kubelet. tests/cluster/record.py makes them, and tests/integration/test_apiserver.py asks the doubles the same.
"""

from kube_codec import JSON, PROTOBUF

NODE = "fieldSelector=spec.nodeName%3Dlab-node"
PODS = "/api/v1/pods?" + NODE
EVENTS = "/api/v1/namespaces/default/events?fieldSelector=involvedObject.kind%3DPod,source%3Dkubelet"
WATCH = PROTOBUF + ";stream=watch"


class Question:
    """`user`: agent, admin, anonymous, or stranger (with a token that is wrong)."""

    def __init__(self, user, path, accept=JSON, method="GET"):
        self.user, self.path, self.accept, self.method = user, path, accept, method


# The file name ends in the HTTP status, or in the code that a watch sends with status 200.
API_SERVER = {
    "stranger-401": Question("stranger", PODS),
    "stranger-protobuf-401": Question("stranger", PODS, PROTOBUF),
    "anonymous-403": Question("anonymous", "/api/v1/pods"),
    "anonymous-protobuf-403": Question("anonymous", "/api/v1/pods", PROTOBUF),
    "secrets-403": Question("agent", "/api/v1/secrets"),
    "delete-403": Question("agent", "/api/v1/namespaces/default/pods/x", method="DELETE"),
    "no-such-resource-403": Question("agent", "/api/v1/nonsense"),
    "no-such-resource-404": Question("admin", "/api/v1/nonsense"),
    "no-such-pod-404": Question("admin", "/api/v1/namespaces/default/pods/x"),
    "version-is-no-number-400": Question("agent", PODS + "&resourceVersion=abc"),
    "continue-is-no-token-400": Question("agent", PODS + "&continue=@@"),
    "unknown-field-400": Question("agent", PODS + ",metadata.uid%3Dx"),
    "version-of-the-future-504": Question("agent", PODS + "&resourceVersion=999999"),
    "streaming-without-match-422": Question("agent", PODS + "&watch=true&sendInitialEvents=true"),
    "watch-of-pods-410": Question("agent", PODS + "&watch=true&resourceVersion=1", WATCH),
    "watch-of-pods-json-410": Question("agent", PODS + "&watch=true&resourceVersion=1"),
    "watch-of-events-410": Question("agent", EVENTS + "&watch=true&resourceVersion=1", WATCH),
}

KUBELET = {
    "kubelet-stranger-401": Question("stranger", "/pods"),
    "kubelet-agent-403": Question("agent", "/pods"),
    "kubelet-no-such-path-404": Question("admin", "/nonsense"),
}
