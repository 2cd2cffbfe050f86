# SPDX-License-Identifier: Apache-2.0
"""The content of pull Secrets for the private registry, and pods and ServiceAccounts that name them."""

import base64
import json

from case import OnACluster, wait_for

import registries

RIGHT, WRONG = registries.PASSWORD, "guessed"


def login(password):
    return {"username": registries.USERNAME, "password": password}


def config(logins):
    """The text of a docker configuration. `logins`: {key: entry}"""
    return json.dumps({"auths": logins})


def encoded(text):
    """The field "auth" of an entry."""
    return base64.b64encode(text.encode()).decode()


class OnPullSecrets(OnACluster):
    """
    prepare() makes the objects of all tests in the namespace `team` and changes them, so that the tests wait side by
    side.
    """

    # The tests make many pods at once, and the kubelet tries several logins without a pause.
    cluster_options = {"kubelet_settings": {"registryPullQPS": 0}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.host = cls.cluster.private.host
        cls.team = cls.namespace()
        cls.prepare()

    @classmethod
    def private(cls):
        """An image that cannot be pulled without a login."""
        return cls.cluster.private.image("lab/pause", "1")

    @classmethod
    def create_login(cls, name, password=RIGHT, key=None, namespace=None):
        """A Secret with one entry; `key` None is the private registry."""
        return cls.create_secret(namespace or cls.team, name, config({key or cls.host: login(password)}))

    @classmethod
    def change_secret(cls, name, content):
        cls.api.patch("secrets", name, {"stringData": {".dockerconfigjson": content}}, cls.team)

    @classmethod
    def create_account(cls, name, *secrets):
        """A ServiceAccount with imagePullSecrets."""
        return cls.api.create("serviceaccounts", {
            "metadata": {"name": name}, "imagePullSecrets": [{"name": secret} for secret in secrets]}, cls.team)

    @classmethod
    def create_puller(cls, name, *secrets, image=None, policy="Always", namespace=None, **spec):
        """A pod of the private image whose spec names these Secrets."""
        if secrets:
            spec["imagePullSecrets"] = [{"name": secret} for secret in secrets]
        return cls.create_pod(namespace or cls.team, name, image or cls.private(), {"imagePullPolicy": policy}, **spec)

    @classmethod
    def eventually_failed(cls, pod, attempts=1, message=""):
        """Wait until the agent counts so many attempts of `pod` and shows this message. Returns its entry."""
        def failed():
            failure = cls.agent.failures().get((pod, "app"))
            assert failure and failure["attempts"] >= attempts and message in failure["message"], f"{pod}: {failure}"
            return failure

        return wait_for(failed, pod)

    def shown(self, pod, reason, **wanted):
        """Wait until the agent says that the login of the pod is at fault. Returns its entry."""
        return self.eventually_shown(self.team, pod, cause="unauthorized", reason=reason, **wanted)
