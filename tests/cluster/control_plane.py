# SPDX-License-Identifier: Apache-2.0
"""etcd, the API server, the controller manager and the scheduler, with the certificates of all parts."""

import base64
import http.client
import json
import os

import certs
import tools
from component import Component
from kube_client import ApiError, KubeClient

NODE_ADDRESS = "10.77.0.1"      # in-namespaces makes these three
SERVICE_ADDRESS = "10.96.0.1"   # of the Service "kubernetes"
AGENT_ADDRESS = "10.96.0.2"     # the agent uses it alone, so that it can be cut off alone
SERVICES = "10.96.0.0/16"
API_PORT, ETCD_PORT = 443, 2379

AUDIT_POLICY = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
                "rules": [{"level": "Metadata"}]}


class Pki:
    """
    The cluster's CA, the one that replaces it in some tests, and what they sign, in `folder`. All parts trust both:
    `ca_file` has them, and `old_ca_file` only the first one.
    """

    def __init__(self, folder):
        self.folder = folder

    def make(self):
        os.makedirs(self.folder)
        self._ca, self._next_ca = certs.make_ca(self.folder, "ca"), certs.make_ca(self.folder, "next-ca")
        self.old_ca_file = self._ca[0]
        self.ca_file = os.path.join(self.folder, "all-ca.crt")
        with open(self.ca_file, "w") as out:
            for certificate, _ in (self._ca, self._next_ca):
                with open(certificate) as source:
                    out.write(source.read())
        self.service_account_key = certs.make_key(os.path.join(self.folder, "service-account.key"))
        self.make_serving_certificate()
        self.apiserver_to_kubelet = self.client("apiserver-to-kubelet", "system:masters")

    def make_serving_certificate(self, next_ca=False):
        """A new certificate of the API server in the same files. The server reads them again within a minute."""
        names = ["DNS:localhost", "DNS:kubernetes.default.svc"]
        names += [f"IP:{address}" for address in ("127.0.0.1", NODE_ADDRESS, SERVICE_ADDRESS, AGENT_ADDRESS)]
        signer = self._next_ca if next_ca else self._ca
        self.serving = certs.make_server_certificate(self.folder, "apiserver", signer, names)

    def kubelet_serving(self, node):
        """The certificate of the kubelet, as serverTLSBootstrap would give it. Returns (certificate file, key file)."""
        return certs.make_server_certificate(self.folder, "kubelet-serving", self._ca,
                                             [f"DNS:{node}", f"IP:{NODE_ADDRESS}"])

    def client(self, user, group=None):
        return certs.make_client_certificate(self.folder, user.replace(":", "-"), self._ca, user, group)

    def kubeconfig(self, user, group=None, server=f"https://127.0.0.1:{API_PORT}"):
        """The path of a new kubeconfig for `user`."""
        cert, key = self.client(user, group)
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "cluster",
                  "clusters": [{"name": "cluster", "cluster": {
                      "server": server, "certificate-authority": self.ca_file}}],
                  "users": [{"name": user, "user": {"client-certificate": cert, "client-key": key}}],
                  "contexts": [{"name": "cluster", "context": {"cluster": "cluster", "user": user}}]}
        return write_json(os.path.join(self.folder, user.replace(":", "-") + ".kubeconfig"), config)


def write_json(path, value):
    with open(path, "w") as out:
        json.dump(value, out, indent=2)
    return path


class Etcd(Component):
    def __init__(self, folder):
        address = f"http://127.0.0.1:{ETCD_PORT}"
        super().__init__("etcd", lambda: [
            tools.path("etcd"), "--data-dir", os.path.join(folder, "etcd"), "--listen-client-urls", address,
            "--advertise-client-urls", address, "--listen-peer-urls", "http://127.0.0.1:2380",
            "--unsafe-no-fsync", "--log-level", "warn"], os.path.join(folder, "etcd.log"))

    def _call(self, method, body):
        connection = http.client.HTTPConnection("127.0.0.1", ETCD_PORT, timeout=60)
        try:
            connection.request("POST", f"/v3/kv/{method}", json.dumps(body))
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                raise RuntimeError(f"etcd answered {answer.status} to {method}: {text[:300]!r}")
            return json.loads(text)
        finally:
            connection.close()

    def ready(self):
        try:
            return bool(self.revision())
        except (OSError, RuntimeError):
            return False

    def revision(self):
        return int(self._call("range", {"key": base64.b64encode(b"/").decode()})["header"]["revision"])

    def compact(self):
        """Forget all versions but the newest ones."""
        self._call("compaction", {"revision": self.revision(), "physical": True})


class ApiServer(Component):
    def __init__(self, folder, pki, arguments=()):
        self.audit_log = os.path.join(folder, "audit.log")
        self._pki, self._folder, self._arguments = pki, folder, list(arguments)
        super().__init__("kube-apiserver", self._arguments_of_start, os.path.join(folder, "kube-apiserver.log"))

    def _arguments_of_start(self):
        policy = write_json(os.path.join(self._folder, "audit-policy.json"), AUDIT_POLICY)
        cert, key = self._pki.serving
        kubelet_cert, kubelet_key = self._pki.apiserver_to_kubelet
        flags = {
            "etcd-servers": f"http://127.0.0.1:{ETCD_PORT}", "secure-port": API_PORT,
            "advertise-address": NODE_ADDRESS, "service-cluster-ip-range": SERVICES,
            "authorization-mode": "Node,RBAC", "enable-admission-plugins": "NodeRestriction",
            "client-ca-file": self._pki.ca_file, "tls-cert-file": cert, "tls-private-key-file": key,
            "kubelet-client-certificate": kubelet_cert, "kubelet-client-key": kubelet_key,
            "kubelet-certificate-authority": self._pki.ca_file, "kubelet-preferred-address-types": "InternalIP",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": self._pki.service_account_key,
            "service-account-signing-key-file": self._pki.service_account_key,
            "audit-policy-file": policy, "audit-log-path": self.audit_log, "audit-log-mode": "blocking",
        }
        return [tools.path("kube-apiserver"), *(f"--{name}={value}" for name, value in flags.items()),
                *self._arguments]

    def client(self, user="admin", group="system:masters"):
        return KubeClient(f"https://127.0.0.1:{API_PORT}", self._pki.ca_file,
                          certificate=self._pki.client(user, group))

    def ready(self, client):
        try:
            return client.text("/readyz") == "ok"
        except (OSError, http.client.HTTPException, ApiError):
            return False

    def audit(self):
        """Every request so far, as the audit log has it."""
        with open(self.audit_log) as log:
            return [json.loads(line) for line in log if line.endswith("\n")]


def controller_manager(folder, pki):
    def command():
        return [tools.path("kube-controller-manager"), "--leader-elect=false", "--use-service-account-credentials=true",
                f"--kubeconfig={pki.kubeconfig('system:kube-controller-manager')}", f"--root-ca-file={pki.ca_file}",
                f"--service-account-private-key-file={pki.service_account_key}"]

    return Component("kube-controller-manager", command, os.path.join(folder, "kube-controller-manager.log"))


def scheduler(folder, pki):
    def command():
        return [tools.path("kube-scheduler"), "--leader-elect=false",
                f"--kubeconfig={pki.kubeconfig('system:kube-scheduler')}"]

    return Component("kube-scheduler", command, os.path.join(folder, "kube-scheduler.log"))
