#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
A real Kubernetes cluster with one node on this machine: etcd, API server, controller manager, scheduler, and a kubelet
on a containerd. The registries are those of the lab (tests/lab).

    tests/cluster/in-namespaces tests/cluster/cluster.py up --dir DIR [--suite trixie|sid]

Runs until Ctrl-C. All of it is in namespaces of its own (in-namespaces), so addresses and ports are fixed and nothing
outlives it. Its files and logs are in DIR.
"""

import argparse
import json
import os
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "lab"))

import control_plane  # noqa: E402
import node  # noqa: E402
import tools  # noqa: E402
from lab import Ended, end_on_signals  # noqa: E402
from procs import LabError, require, run, write_ready_file  # noqa: E402
from registry_set import RegistrySet  # noqa: E402

LAB = os.path.join(ROOT, "tests", "lab")
REGISTRIES_ADDRESS = "127.0.0.2"  # in-namespaces names it as the DNS server
NODE = "node-1"
AGENT_NAMESPACE, AGENT_ACCOUNT = "imagepull-exporter", "imagepull-exporter"


class Cluster:
    """
    A cluster in `directory`, or in a folder that in-namespaces deletes. Use it as a context manager, in the main thread
    of a process that in-namespaces started. `suite` names the Debian suite of its containerd; None is the installed
    one.
    """

    def __init__(self, directory=None, suite=None, kubelet_settings=None, api_arguments=(), node_name=NODE):
        scratch = os.environ.get("CLUSTER_SCRATCH")
        if not scratch:
            raise LabError("a cluster needs namespaces of its own: start this program with tests/cluster/in-namespaces")
        self.directory = os.path.abspath(directory or tempfile.mkdtemp(prefix="cluster-", dir=scratch))
        os.makedirs(self.directory, exist_ok=True)
        self.node = node_name
        self._parts = []
        self.pki = control_plane.Pki(self.path("pki"))
        self.registries = RegistrySet(self.directory, REGISTRIES_ADDRESS)
        self.open, self.private = self.registries.open, self.registries.private
        self.etcd = control_plane.Etcd(self.directory)
        self.apiserver = control_plane.ApiServer(self.directory, self.pki, api_arguments)
        self.controller_manager = control_plane.controller_manager(self.directory, self.pki)
        self.scheduler = control_plane.scheduler(self.directory, self.pki)
        self.containerd = node.runtime(self.path("containerd"), REGISTRIES_ADDRESS, suite, os.path.basename(scratch))
        self.kubelet = node.Kubelet(self.path("node"), self.pki, node_name, kubelet_settings)

    def path(self, name):
        return os.path.join(self.directory, name)

    # --- start and stop ---

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        run([require("gcc", "gcc"), "-static", "-Os", "-s", "-o", self.path("pause"), os.path.join(LAB, "pause.c")],
            "compiling the pause program")
        os.makedirs(self.path("node"))
        self.pki.make()
        for part in (self.etcd, self.registries, self.containerd, self.apiserver):
            self._parts.append(part)
            part.start(self.path("pause")) if part is self.registries else part.start()
        self.api = self.apiserver.client()
        self.admin_kubeconfig = self.pki.kubeconfig("admin", "system:masters")
        self._prepare_runtime()
        self.apiserver.wait_until(lambda: self.apiserver.ready(self.api), "/readyz")
        for part in (self.controller_manager, self.scheduler, self.kubelet):
            self._parts.append(part)
            part.start()
        self.kubelet.wait_until(self.node_is_ready, "the node is ready")
        self.controller_manager.wait_until(lambda: self.api.get("serviceaccounts", "default"), "its first account")

    def _prepare_runtime(self):
        self.registries.wait_ready()
        for host in self.registries.plain_http_hosts():
            self.containerd.use_plain_http(host)
        self.containerd.wait_ready()
        with open(self.path("pause"), "rb") as program:
            self.containerd.import_sandbox_image(program.read())

    def node_is_ready(self):
        found = self.api.get("nodes", self.node, namespace=None)
        return bool(found) and any(condition["type"] == "Ready" and condition["status"] == "True"
                                   for condition in found["status"].get("conditions", ()))

    def stop(self):
        for part in reversed(self._parts):
            # Its state is deleted anyway, so there is nothing to wait for.
            part.stop(seconds=0) if hasattr(part, "pause") else part.stop()
        self._parts = []

    @staticmethod
    def keep_directory():
        """Do not delete the folder with the logs at the end."""
        with open(os.path.join(os.environ["CLUSTER_SCRATCH"], "keep"), "w"):
            pass

    def check(self):
        """Raise an error if a part ended by itself."""
        for part in self._parts:
            part.check()

    @property
    def endpoints(self):
        """{name: host:port} of the registries that do not work."""
        return self.registries.endpoints

    # --- the agent ---

    def agent_flags(self):
        """
        Flags with which an agent outside of the cluster uses it, with the rights of deploy/rbac/api.yaml. It reaches
        the API server at an address of its own.
        """
        if not self.api.get("namespaces", AGENT_NAMESPACE, namespace=None):
            self.api.create("namespaces", {"metadata": {"name": AGENT_NAMESPACE}}, namespace=None)
            self.kubectl("apply", "-f", os.path.join(ROOT, "deploy", "rbac", "api.yaml"))
        token_file = self.path("agent-token")
        if not os.path.exists(token_file):
            self.write_agent_token()
        return [f"--node-name={self.node}", f"--cri.endpoint={self.containerd.endpoint}",
                f"--kube.server=https://{control_plane.AGENT_ADDRESS}:{control_plane.API_PORT}",
                f"--kube.ca-file={self.pki.ca_file}", f"--kube.token-file={token_file}"]

    def write_agent_token(self, name="agent-token", secret=None):
        """
        Write a new token of the agent's ServiceAccount to the file `name`. Returns its path. The API server refuses the
        token when the Secret of this name in the agent's namespace is deleted: no token expires in less than 10 minutes.
        """
        spec = {"expirationSeconds": 3600}
        if secret:
            found = self.api.get("secrets", secret, AGENT_NAMESPACE)
            spec["boundObjectRef"] = {"kind": "Secret", "apiVersion": "v1", "name": secret,
                                      "uid": found["metadata"]["uid"]}
        path = self.api.path("serviceaccounts", AGENT_NAMESPACE, AGENT_ACCOUNT, "token")
        answer = self.api.call("POST", path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                                              "spec": spec})
        write_ready_file(self.path(name), answer["status"]["token"])
        return self.path(name)

    def cut_off_agent(self, address=control_plane.AGENT_ADDRESS):
        """Drop every packet between an agent and the API server at this address, until let_agent_through()."""
        self._filter("--insert", address)

    def let_agent_through(self, address=control_plane.AGENT_ADDRESS):
        self._filter("--delete", address)

    @staticmethod
    def _filter(change, address):
        for end in ("--destination", "--source"):
            run([require("iptables", "iptables"), change, "INPUT", end, address, "--jump", "DROP"],
                "changing the packet filter")

    # --- faults ---

    def restart_apiserver(self, kill=False):
        """Kill or stop it and start it again. Returns when it is ready."""
        self.apiserver.kill() if kill else self.apiserver.stop()
        self.start_apiserver()

    def start_apiserver(self):
        self.apiserver.start()
        self.api.close()
        self.apiserver.wait_until(lambda: self.apiserver.ready(self.api), "/readyz")

    # --- tools ---

    def kubectl(self, *arguments, stdin=None):
        """Run kubectl as administrator. Returns its output."""
        return tools.kubectl(self.admin_kubeconfig, *arguments, stdin=stdin)

    def description(self):
        return {"enter": enter_command(), "directory": self.directory, "node": self.node,
                "kubeconfig": self.admin_kubeconfig, "kubectl": tools.path("kubectl"),
                "agent_flags": self.agent_flags(),
                "registries": {"open": self.open.host, "private": self.private.host, **self.endpoints}}


def enter_command():
    """
    A command that runs what follows it in the cluster's namespaces. It uses the process that made them, because the
    numbers of the processes in them are other ones outside.
    """
    with open(os.path.join(os.environ["CLUSTER_SCRATCH"], "pid")) as pid:
        made_by = pid.read().strip()
    return f"nsenter --target {made_by} --mount --net --pid=/proc/{made_by}/ns/pid_for_children --"


def up(args):
    began = time.monotonic()
    with Cluster(args.dir, args.suite) as cluster:
        control_plane.write_json(cluster.path("cluster.json"), cluster.description())
        seconds = time.monotonic() - began
        print(f"the cluster is ready after {seconds:.0f} s: {cluster.path('cluster.json')}", flush=True)
        print(f"enter it with: {enter_command()} COMMAND", flush=True)
        while True:
            cluster.check()
            time.sleep(0.5)


def main():
    parser = argparse.ArgumentParser(description="A real Kubernetes cluster with one node on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("up", help="start everything and run until SIGTERM or Ctrl-C")
    command.add_argument("--dir", help="where everything is kept (default: a new temporary folder)")
    command.add_argument("--suite", help="the Debian suite of containerd: trixie 1.7, sid 2.x (default: installed)")
    args = parser.parse_args()
    end_on_signals()
    try:
        up(args)
    except Ended:
        return 0
    except LabError as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
