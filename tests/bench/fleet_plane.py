# SPDX-License-Identifier: Apache-2.0
"""The control plane of the fleet: etcd and an API server, and a client that writes much."""

import http.client
import json
import os
import ssl
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "tests", "cluster"), os.path.join(ROOT, "tests", "lab")]

import control_plane  # noqa: E402
import tools  # noqa: E402
from fleet_objects import NAMESPACES, encode, node_name  # noqa: E402
from procs import LabError  # noqa: E402

ACCOUNT = "imagepull-exporter"
ADDRESS = ("127.0.0.1", control_plane.API_PORT)
URL = f"https://{ADDRESS[0]}:{ADDRESS[1]}"


class ControlPlane:
    """etcd and the API server, and no controllers. Kubelets authenticate with the token "token-of-NODE"."""

    def __init__(self, directory, nodes):
        self.directory = directory
        self.pki = control_plane.Pki(os.path.join(directory, "pki"))
        self.etcd = control_plane.Etcd(directory)
        tokens = os.path.join(directory, "kubelets.csv")
        with open(tokens, "w") as out:
            for name in map(node_name, range(nodes)):
                out.write(f"token-of-{name},system:node:{name},{name},system:nodes\n")
        self.apiserver = control_plane.ApiServer(directory, self.pki, [f"--token-auth-file={tokens}"])

    def __enter__(self):
        try:
            self.pki.make()
            self.etcd.start()
            self.apiserver.start()
            self.api = self.apiserver.client()
            self.wait_ready()
            self._make_accounts()
            return self
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        for part in (self.apiserver, self.etcd):
            part.stop(seconds=0)

    def wait_ready(self):
        self.apiserver.wait_until(lambda: self.apiserver.ready(self.api), "/readyz")

    def restart(self):
        """Kill the API server and start it again. Returns when it is ready."""
        self.apiserver.kill()
        self.apiserver.start()
        self.wait_ready()

    def _make_accounts(self):
        """What the controller manager makes in each namespace, and the agent's account with its rights."""
        for name in (*NAMESPACES, ACCOUNT):
            self.api.create("namespaces", {"metadata": {"name": name}}, namespace=None)
            self.api.create("serviceaccounts", {"metadata": {"name": "default"}}, name)
            bundle = {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": "x" * 600}}
            self.api.create("configmaps", bundle, name)
        kubeconfig = self.pki.kubeconfig("admin", "system:masters")
        tools.kubectl(kubeconfig, "apply", "-f", os.path.join(ROOT, "deploy", "rbac", "api.yaml"))

    def agent_token(self, name):
        """The path of a file with a new token of the agent's account."""
        path = self.api.path("serviceaccounts", ACCOUNT, ACCOUNT, "token")
        answer = self.api.call("POST", path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                                              "spec": {"expirationSeconds": 7200}})
        with open(os.path.join(self.directory, f"{name}.token"), "w") as out:
            out.write(answer["status"]["token"])
        return out.name


class Writer:
    """Sends requests as an administrator. Each thread has its own connection."""

    PROTOBUF, JSON = "application/vnd.kubernetes.protobuf", "application/json"

    def __init__(self, plane):
        self._tls = ssl.create_default_context(cafile=plane.pki.ca_file)
        self._tls.load_cert_chain(*plane.pki.client("writer", "system:masters"))
        self._local = threading.local()

    def send(self, method, path, value=None, accept=PROTOBUF):
        """Returns the answer. It is protobuf, as the kubelet asks for, and nobody reads it; or JSON."""
        kind = "application/strategic-merge-patch+json" if method == "PATCH" else self.JSON
        body = None if value is None else encode(value)
        headers = {"Accept": accept, "Content-Type": kind, "User-Agent": "fleet"}
        try:
            status, answer = self._send(method, path, body, headers)
        except (OSError, http.client.HTTPException):  # the API server was restarted
            status, answer = self._send(method, path, body, headers)
        if status >= 300:
            raise LabError(f"{method} {path} answered {status}: {answer[:300]!r}")
        return answer

    def object(self, method, path, value=None):
        """The object in the answer."""
        return json.loads(self.send(method, path, value, self.JSON))

    def _send(self, method, path, body, headers):
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = http.client.HTTPSConnection(*ADDRESS, context=self._tls, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            raise
