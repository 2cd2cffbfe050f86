# SPDX-License-Identifier: Apache-2.0
"""The agent as deploy/README.md installs it: its image in a registry, its DaemonSet, and what both answer."""

import http.client
import json
import os
import socket
import subprocess
import tarfile

from case import ROOT, SECONDS, OnACluster, wait_for

import tools
from agent import Metrics
from control_plane import write_json
from images import digest_of
from procs import LabError

NAME = "imagepull-exporter"  # of its namespace, its objects, its container and its program
KUSTOMIZE = os.path.join(ROOT, "deploy", "kustomize")
DEBUG_SOCKET = "debug.sock"  # in the volume of the pod
PORT = 9917
VERSION = "0.1.0"
NEXT_VERSION = "0.2.0"


class BuiltImage:
    """The image of `make cluster-image`. `version` goes into its configuration, so each version has its own digest."""

    def __init__(self, version):
        path = os.environ.get("AGENT_IMAGE") or os.path.join(ROOT, "build", "cluster", "image.tar")
        if not os.path.exists(path):
            raise LabError(f"there is no image at '{path}': build it with 'make cluster-image', "
                           "or name an OCI archive in AGENT_IMAGE")
        with tarfile.open(path) as archive:
            def blob(digest):
                return archive.extractfile("blobs/" + digest.replace(":", "/")).read()

            index = json.load(archive.extractfile("index.json"))
            manifest = json.loads(blob(index["manifests"][0]["digest"]))
            config = json.loads(blob(manifest["config"]["digest"]))
            self.blobs = {layer["digest"]: blob(layer["digest"]) for layer in manifest["layers"]}
        config["config"].setdefault("Labels", {})["org.opencontainers.image.version"] = version
        config = json.dumps(config).encode()
        self.blobs[digest_of(config)] = config
        manifest["config"].update(digest=digest_of(config), size=len(config))
        self.manifest = json.dumps(manifest).encode()


class OnTheNode:
    """The agent of the node: /metrics at the address of its pod, the debug answers at the socket in its volume."""

    def __init__(self, api, kubelet_folder):
        self._api, self._kubelet_folder = api, kubelet_folder

    def pods(self):
        return [pod for pod in self._api.list("pods", NAME)
                if pod["metadata"].get("labels", {}).get("app.kubernetes.io/name") == NAME]

    def pod(self):
        """Its only pod."""
        pods = self.pods()
        if len(pods) != 1:
            raise AssertionError(f"there are {len(pods)} pods of the agent")
        return pods[0]

    def metrics(self, pod=None):
        """/metrics of `pod` (default: its only one)."""
        connection = http.client.HTTPConnection((pod or self.pod())["status"]["podIP"], PORT, timeout=30)
        return Metrics(_get(connection, "/metrics"))

    def debug_folder(self):
        """Of its only pod, on the node."""
        return os.path.join(self._kubelet_folder, "kubelet", "pods", self.pod()["metadata"]["uid"], "volumes",
                            "kubernetes.io~empty-dir", "imagepull-debug")

    def debug(self, path):
        connection = http.client.HTTPConnection("localhost", timeout=30)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(30)
        folder = os.open(self.debug_folder(), os.O_PATH)
        try:
            # Short enough for the address of a socket.
            connection.sock.connect(f"/proc/self/fd/{folder}/{DEBUG_SOCKET}")
        finally:
            os.close(folder)
        return json.loads(_get(connection, path))

    def failures_of(self, namespace, pod=None):
        try:
            found = self.debug("/debug/failures")["failures"]
        except OSError as error:  # as when it restarts
            raise AssertionError(f"{DEBUG_SOCKET}: {error}") from error
        return [f for f in found if f["namespace"] == namespace and pod in (None, f["pod"])]


def _get(connection, path):
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status != 200:
            raise AssertionError(f"{path} answered {answer.status}: {text[:300]}")
        return text
    finally:
        connection.close()


class WithManifests(OnACluster):
    """A cluster without an agent, and the words to render and apply deploy/."""

    agent = None

    @classmethod
    def start_agent_of_class(cls):
        pass

    @classmethod
    def overlay(cls, *components, version=VERSION, patch=None):
        """A folder as in section 2 of deploy/README.md. `patch` is a strategic merge patch. Returns the folder."""
        folder = cls.cluster.path("overlay-" + "-".join([*components, version]))
        os.makedirs(folder, exist_ok=True)
        image = {"name": NAME, "newName": cls.cluster.open.host + "/platform/" + NAME, "newTag": version}

        def relative(*path):
            return os.path.relpath(os.path.join(KUSTOMIZE, *path), folder)

        write_json(os.path.join(folder, "kustomization.yaml"), {
            "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
            "resources": [relative("base")], "images": [image],
            "components": [relative("components", name) for name in components],
            **({"patches": [{"patch": json.dumps(patch)}]} if patch else {})})
        return folder

    @classmethod
    def kubectl(cls, *arguments, stdin=None):
        """Returns (exit status, output, errors)."""
        command, environment = tools.kubectl_command(cls.cluster.admin_kubeconfig, *arguments)
        done = subprocess.run(command, input=stdin or "", capture_output=True, text=True, env=environment)
        return done.returncode, done.stdout, done.stderr

    @classmethod
    def apply(cls, *arguments, stdin=None):
        """kubectl apply, which must not warn. Returns its output."""
        status, output, errors = cls.kubectl("apply", *arguments, stdin=stdin)
        if status != 0 or errors:
            raise AssertionError(f"kubectl apply {' '.join(arguments)} ended with status {status}:\n{output}{errors}")
        return output


# Changes of the DaemonSet that only make it quicker. Everything else is as in deploy/.
QUICK = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": NAME, "namespace": NAME}, "spec": {
    "minReadySeconds": 1,
    "template": {"spec": {"containers": [{"name": NAME, "livenessProbe": {"periodSeconds": 1}}]}}}}


class Deployed(WithManifests):
    """The agent runs in the cluster, with `patch`."""

    patch = QUICK

    @classmethod
    def start_agent_of_class(cls):
        cls.agent = OnTheNode(cls.api, cls.cluster.kubelet.folder)
        for version in (VERSION, NEXT_VERSION):
            cls.cluster.open.push(BuiltImage(version), "platform/" + NAME, version)
        cls.prepare()
        cls.deploy()

    @classmethod
    def prepare(cls):
        """What the cluster needs before the manifests."""

    @classmethod
    def deploy(cls, *components, version=VERSION):
        """Apply the overlay with these components and wait until its rollout is complete."""
        cls.apply("-k", cls.overlay(*components, version=version, patch=cls.patch))
        cls.rollout()

    @classmethod
    def rollout(cls):
        """Wait until the rollout of the DaemonSet is complete, and the pods of the last one are gone."""
        status, output, errors = cls.kubectl("--namespace", NAME, "rollout", "status", "daemonset/" + NAME,
                                             f"--timeout={SECONDS}s")
        if status != 0:
            raise AssertionError(f"the rollout is not complete: {output}{errors}\n{cls.description_of_pods()}")
        wait_for(lambda: len(cls.agent.pods()) == 1, "there is one pod of the agent")

    @classmethod
    def description_of_pods(cls):
        return cls.kubectl("--namespace", NAME, "describe", "pods")[1]

    def command(self, *arguments):
        """kubectl exec in the agent's pod. Returns (exit status, output, errors)."""
        return self.kubectl("--namespace", NAME, "exec", "daemonset/" + NAME, "--", "/usr/bin/" + NAME, *arguments)

    def events(self, reason, pod):
        """The messages of the Events with this reason about a pod of the agent."""
        return [event["message"] for event in self.api.list("events", NAME)
                if event["reason"] == reason and event["involvedObject"]["name"] == pod["metadata"]["name"]]

    def requests(self, pod=None):
        """What the API server was asked with the tokens of the agent's account, or with those of one pod of it."""
        name = pod and pod["metadata"]["name"]
        return [event for event in self.cluster.apiserver.audit()
                if event["user"]["username"] == f"system:serviceaccount:{NAME}:{NAME}"
                and name in (None, *event["user"]["extra"]["authentication.kubernetes.io/pod-name"])]


def permissions(requests):
    """{(verb, resource)} of audit events."""
    return {(event["verb"], event.get("objectRef", {}).get("resource")) for event in requests}
