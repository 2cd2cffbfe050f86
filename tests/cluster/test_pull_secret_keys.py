# SPDX-License-Identifier: Apache-2.0
"""
Keys, types and entries of pull Secrets: those that the kubelet uses for an image, and those that it passes over without
a word. The rules are in pkg/credentialprovider of the kubelet.
"""

import json

from pull_secrets import RIGHT, WRONG, OnPullSecrets, config, encoded, login

HUB = "https://index.docker.io/v1/"


def used(host):
    """{pod: a key that the kubelet uses for an image of the repository lab/pause at host}"""
    name, port = host.split(":")
    return {"url": f"https://{host}", "http-url": f"http://{host}/", "v1": f"{host}/v1/", "v2": f"https://{host}/v2/",
            "path": f"{host}/lab", "part-of-the-path": f"{host}/la", "user": f"user@{host}",
            "wildcard": f"*.{name.partition('.')[2]}:{port}"}


def passed_over(host):
    """Keys that the kubelet does not use for it."""
    name, port = host.split(":")
    return [name, f"{name}:443", f"{name.upper()}:{port}", f"https://{host}/v2", f"{host}/lab/pause:1", f"{host}/lab/*",
            f"*:{port}", "*", f"docker://{host}", f"HTTPS://{host}", f" {host}", f"{host} ", "{{ .registry }}"]


class PullSecretKeys(OnPullSecrets):
    @classmethod
    def prepare(cls):
        cls.cluster.containerd.use_plain_http("docker.io", server=cls.host)
        cls.used = used(cls.host)
        for pod, key in cls.used.items():
            cls.create_login(pod, key=key)
            cls.create_puller(pod, pod)
        cls.create_with_entries("passed-over", {key: login(RIGHT) for key in passed_over(cls.host)})
        cls.create_with_entries("longest-first", {cls.host: login(WRONG), cls.host + "/lab": login(RIGHT)})
        cls.create_with_entries("auth-first", {cls.host: {**login(RIGHT), "auth": encoded("lab:guessed")}})
        cls.create_with_entries("identity-token", {cls.host: {"identitytoken": RIGHT}})
        cls.create_with_entries("credential-store", {})
        cls.create_with_entries("newline", {cls.host: login(RIGHT + "\n")})
        cls.prepare_hub()
        cls.prepare_types()

    @classmethod
    def create_with_entries(cls, pod, entries, image=None):
        """A pod and its Secret of the same name."""
        cls.create_secret(cls.team, pod, config(entries))
        cls.create_puller(pod, pod, image=image)

    @classmethod
    def prepare_hub(cls):
        """The private registry is Docker Hub here."""
        for pod, entries in {
                "hub": {HUB: login(RIGHT)},
                "hub-short": {"docker.io": login(RIGHT)},
                "hub-wrong": {HUB: login(WRONG)},
                "hub-hidden": {HUB: login(RIGHT), "docker.io": login(WRONG)},
                "hub-passed-over": {key: login(RIGHT) for key in (
                    "https://index.docker.io/v1", "registry-1.docker.io", "hub.docker.com", "*.docker.io")}}.items():
            cls.create_with_entries(pod, entries, image="docker.io/lab/pause:1")

    @classmethod
    def prepare_types(cls):
        old, opaque = "kubernetes.io/dockercfg", "Opaque"
        for pod, content, kind in (("old-type", {cls.host: login(RIGHT)}, old),
                                   ("old-type-wrong", {cls.host: login(WRONG)}, old),
                                   ("old-type-new-content", {"auths": {cls.host: login(RIGHT)}}, old),
                                   ("new-type-old-content", {cls.host: login(RIGHT)}, "kubernetes.io/dockerconfigjson"),
                                   ("opaque", {"auths": {cls.host: login(RIGHT)}}, opaque)):
            cls.create_secret(cls.team, pod, json.dumps(content), kind)
            cls.create_puller(pod, pod)

    def test_a_key_that_covers_the_image_is_used(self):
        pods = (*self.used, "longest-first", "hub", "hub-short", "old-type")
        self.eventually_runs(self.team, *pods)
        self.assertEqual([self.failure(self.team, pod) for pod in pods], [None] * len(pods))

    def test_a_login_that_is_refused_is_not_called_missing(self):
        for pod in ("auth-first", "newline", "hub-wrong", "hub-hidden", "old-type-wrong"):
            self.shown(pod, "bad_credentials", pull_secrets=[pod], missing_pull_secrets=[])

    def test_a_secret_that_is_passed_over_is_no_login(self):
        pods = ("passed-over", "credential-store", "hub-passed-over", "old-type-new-content", "new-type-old-content",
                "opaque")
        for pod in pods:
            failure = self.shown(pod, "no_credentials", pull_secrets=[pod], missing_pull_secrets=[])
            self.assertIn("none of the pod's imagePullSecrets is for this registry", failure["advice"])

    def test_an_entry_without_a_password_is_no_login(self):
        self.shown("identity-token", "no_credentials", pull_secrets=["identity-token"])

    def test_advice_names_type_and_port_of_a_secret_that_is_passed_over(self):
        advice = self.shown("opaque", "no_credentials")["advice"]
        self.assertRegex(advice, r"\btype\b.*\bport\b|\bport\b.*\btype\b")

    def test_the_registry_is_the_one_that_the_image_names(self):
        self.shown("hub-wrong", "bad_credentials", registry="docker.io")
        self.assert_true_to_kubelet(self.team)
