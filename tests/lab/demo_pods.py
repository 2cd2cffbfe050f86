# SPDX-License-Identifier: Apache-2.0
"""The pods of the demo: what is wrong with each, and what the agent should show."""

import json

import registries


class Case:
    """One pod. `cause` None: it works. `reason` None: more than one reason is right."""

    def __init__(self, pod, story, spec, cause=None, reason=None, kind="container", container="app"):
        self.pod, self.story, self.spec = pod, story, spec
        self.cause, self.reason, self.kind, self.container = cause, reason, kind, container

    def expected(self):
        return f"{self.cause}/{self.reason}" if self.reason else self.cause

    def problem(self, failure):
        """What is wrong with the agent's answer about this pod, or None."""
        if failure is None:
            return "the agent does not show it"
        for field, wanted in (("cause", self.cause), ("reason", self.reason), ("kind", self.kind)):
            if wanted is not None and failure[field] != wanted:
                return f"{field} is {failure[field]}, expected {wanted}"
        return None


def pull_secret(name, registry, password):
    auths = {"auths": {registry: {"username": registries.USERNAME, "password": password}}}
    return {"metadata": {"name": name}, "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": json.dumps(auths)}}


def _app(image, secret=None, **container):
    spec = {"containers": [{"name": "app", "image": image, **container}]}
    if secret:
        spec["imagePullSecrets"] = [{"name": secret}]
    return spec


def secrets(lab):
    return [pull_secret("regcred", lab.private.host, registries.PASSWORD),
            pull_secret("old-password", lab.private.host, "guessed")]


def cases(lab):
    """Every pod of the demo."""
    ends = lab.endpoints
    works, private = lab.open.image("lab/pause", "1"), lab.private.image("lab/pause", "1")
    migration = {"initContainers": [{"name": "migrate", "image": ends["no-such-tag"] + "/shop/migrate:v7"}],
                 "containers": [{"name": "app", "image": works}]}
    model = {"volumes": [{"name": "model", "image": {"reference": ends["no-such-tag"] + "/ml/model:v3"}}],
             "containers": [{"name": "app", "image": works,
                             "volumeMounts": [{"name": "model", "mountPath": "/model"}]}]}
    return [
        Case("shop", "works", _app(works)),
        Case("shop-assets", "works, a bigger image", _app(lab.open.image("lab/big", "1"))),
        Case("shop-admin", "works, with a Secret", _app(private, "regcred", imagePullPolicy="Always")),

        Case("cart", "no imagePullSecrets", _app(private, imagePullPolicy="Always"), "unauthorized"),
        Case("billing", "the Secret has an old password", _app(private, "old-password", imagePullPolicy="Always"),
             "unauthorized"),
        Case("invoices", "the Secret does not exist", _app(private, "billing-cred", imagePullPolicy="Always"),
             "unauthorized", "pull_secret_missing"),
        Case("payroll", "the account may not pull it", _app(ends["forbidden"] + "/hr/payroll:v2"),
             "unauthorized", "forbidden"),
        Case("frontend", "a tag nobody has pushed", _app(lab.open.image("lab/pause", "v9")), "not_found"),
        Case("search", "no such repository", _app(ends["no-such-name"] + "/shop/serach:v1"), "not_found"),
        Case("mailer", "a typing error in the host name", _app("registry.exmaple.invalid/mail/mailer:v1"),
             "network", "dns_not_found"),
        Case("cache", "nobody listens there", _app(ends["refused"] + "/team/cache:v1"),
             "network", "connect_refused"),
        Case("export", "a firewall drops the packets", _app(ends["unreachable"] + "/team/export:v1"),
             "network", "connect_timeout"),
        Case("reports", "a certificate of an unknown CA", _app(ends["untrusted"] + "/team/reports:v1"),
             "network", "tls_unknown_authority"),
        Case("archive", "the TLS handshake hangs", _app(ends["tls-hang"] + "/team/archive:v1"),
             "network", "tls_handshake_timeout"),
        Case("crawler", "too many pulls", _app(ends["busy"] + "/team/crawler:v1"),
             "rate_limited", "too_many_requests"),
        Case("queue", "the registry is down", _app(ends["down"] + "/team/queue:v1"),
             "registry_error", "service_unavailable"),
        Case("orders", "its init container's image is missing", migration, "not_found", None, "init", "migrate"),
        Case("advisor", "its image volume is missing", model, "not_found", None, "image_volume"),
        Case("sensor", "built for another platform", _app(ends["other-platform"] + "/iot/sensor:v1"),
             "bad_image", "platform_mismatch"),
        Case("backup", "imagePullPolicy: Never", _app(lab.open.image("lab/backup", "1"), imagePullPolicy="Never"),
             "config", "never_pull"),
        Case("legacy", "no valid image name", _app("registry.example.com/Legacy:::1"),
             "config", "invalid_reference"),
    ]


def further_cases(lab):
    """Pods that only tests use. Every kind of failure of the lab's registries is in one of the two lists."""
    ends = lab.endpoints
    rows = [("no-challenge", "unauthorized", None), ("no-such-tag", "not_found", None),
            ("broken", "registry_error", "server_error"), ("bad-gateway", "registry_error", "bad_gateway"),
            ("slow-gateway", "registry_error", "gateway_timeout"), ("closes", "network", "unexpected_eof"),
            ("token-broken", "registry_error", "server_error"), ("bad-digest", "bad_image", "digest_mismatch"),
            ("speaks-http", "network", "http_to_https")]
    sidecar = {"initContainers": [{"name": "proxy", "image": ends["no-such-tag"] + "/mesh/proxy:v2",
                                   "restartPolicy": "Always"}],
               "containers": [{"name": "app", "image": lab.open.image("lab/pause", "1")}]}
    return [
        *[Case("at-" + name, name, _app(ends[name] + "/team/app:v1"), *verdict) for name, *verdict in rows],
        Case("dns-broken", "the name server fails", _app("servfail.invalid/team/app:v1"), "network", "dns_failure"),
        Case("sidecar", "its sidecar's image is missing", sidecar, "not_found", None, "sidecar", "proxy"),
    ]
