# SPDX-License-Identifier: Apache-2.0
"""
The pods of the recordings in tests/data/recordings: what is wrong with each, and the kubelet's words that prove it.
tests/cluster/record.py makes them on a real cluster, and tests/integration/test_kubelet.py in the lab.
"""

from demo_pods import pull_secret
from endpoints import image_of
from images import digest_of

WRONG_PASSWORD = "guessed"


class Failure:
    """What is true of a container. `says` is part of each message of the kubelet about a failed pull."""

    def __init__(self, cause, reason=None, says=None, container="app", kind="container", image=None):
        self.cause, self.reason, self.says = cause, reason, says
        self.container, self.kind, self.image = container, kind, image


class Silent:
    """The kubelet never says anything about the pull of this container."""

    def __init__(self, container="app"):
        self.container = container


class RecordedPod:
    def __init__(self, name, spec, *truths):
        self.name, self.spec, self.truths = name, spec, truths


def secrets(registries):
    return [pull_secret("wrong-cred", registries.private.host, WRONG_PASSWORD),
            pull_secret("other-registry", "registry.example.com", WRONG_PASSWORD)]


def _app(image, *secret_names, **container):
    spec = {"containers": [{"name": "app", "image": image, **container}]}
    if secret_names:
        spec["imagePullSecrets"] = [{"name": name} for name in secret_names]
    return spec


def working_pods(registries):
    return [RecordedPod("ok-pause", _app(registries.open.image("lab/pause", "1"), imagePullPolicy="Always")),
            RecordedPod("ok-big", _app(registries.open.image("lab/big", "1")))]


def stalled_layer(pause_program):
    """The digest of the layer of "stall". When its download has begun, make "behind-stall", which needs it, too."""
    return digest_of(image_of("stalls", pause_program).layers[0])


def failing_pods(registries):
    """`registries` is a Lab, a Cluster or a RegistrySet."""
    works, private = registries.open.image("lab/pause", "1"), registries.private.image("lab/pause", "1")

    def at(endpoint, repository="team/app"):
        return f"{registries.endpoints[endpoint]}/{repository}:v1"

    def fails(name, image, cause, reason, says, *secret_names, **container):
        return RecordedPod(name, _app(image, *secret_names, **container), Failure(cause, reason, says))

    def refused(name, reason, says, *secret_names):
        return fails(name, private, "unauthorized", reason, says, *secret_names, imagePullPolicy="Always")

    return [
        refused("unauth-nosecret", "no_credentials", "no basic auth credentials"),
        refused("unauth-wrong", "bad_credentials", "401 Unauthorized", "wrong-cred"),
        refused("unauth-secret-missing", "pull_secret_missing", "no basic auth credentials", "does-not-exist"),
        refused("unauth-other-registry", "bad_credentials", "401 Unauthorized", "other-registry", "wrong-cred"),
        fails("notfound-tag", registries.open.image("lab/pause", "v9"), "not_found", None, "not found"),
        fails("notfound-name", at("no-such-name"), "not_found", None, "not found"),
        fails("net-dns", "registry.nope.invalid/team/app:v1", "network", "dns_not_found", "no such host"),
        fails("net-refused", at("refused"), "network", "connect_refused", "connection refused"),
        fails("net-timeout", at("unreachable"), "network", "connect_timeout", "i/o timeout"),
        fails("net-tls", at("untrusted"), "network", "tls_unknown_authority", "signed by unknown authority"),
        fails("net-tls-hang", at("tls-hang"), "network", "tls_handshake_timeout", "TLS handshake timeout"),
        fails("ratelimit", at("busy"), "rate_limited", "too_many_requests", "429 Too Many Requests"),
        fails("err503", at("down"), "registry_error", "service_unavailable", "503 Service Unavailable"),
        fails("digest", at("bad-digest"), "bad_image", "digest_mismatch", "unexpected commit digest"),
        fails("platform", at("other-platform"), "bad_image", "platform_mismatch", "no match for platform"),
        fails("invalidname", f"{registries.open.host}/Lab/UPPER:::1", "config", "invalid_reference",
              "InvalidImageName"),
        fails("neverpull", registries.open.image("lab/never", "1"), "config", "never_pull", "ErrImageNeverPull",
              imagePullPolicy="Never"),
        RecordedPod("stall", _app(at("stalls")), Silent()),
        RecordedPod("two-causes", {"containers": [
            {"name": "a", "image": private, "imagePullPolicy": "Always"},
            {"name": "b", "image": registries.open.image("lab/pause", "v8")}, {"name": "c", "image": works}]},
            Failure("unauthorized", "no_credentials", "no basic auth credentials", "a"),
            Failure("not_found", None, "not found", "b")),
        RecordedPod("init-fails", {"initContainers": [{"name": "setup", "image": at("no-such-tag", "team/init")}],
                                   **_app(works)},
                    Failure("not_found", None, "not found", "setup", "init")),
        RecordedPod("sidecar-fails", {"initContainers": [{"name": "side", "image": at("no-such-tag", "team/side"),
                                                          "restartPolicy": "Always"}], **_app(works)},
                    Failure("not_found", None, "not found", "side", "sidecar")),
        RecordedPod("image-volume", {
            **_app(works, volumeMounts=[{"name": "v", "mountPath": "/m"}]),
            "volumes": [{"name": "v", "image": {"reference": at("no-such-tag", "team/artifact")}}]},
            Failure("not_found", None, "not found", kind="image_volume", image=at("no-such-tag", "team/artifact"))),
        RecordedPod("behind-stall", _app(at("shares-layer")), Silent()),
    ]
