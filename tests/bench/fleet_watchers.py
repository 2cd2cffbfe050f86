# SPDX-License-Identifier: Apache-2.0
"""Who watches the fleet: nobody, as many watches as kubelets hold, or agents."""

import http.client
import os
import signal

from agent import Metrics
from fleet_objects import NAMESPACES
from fleet_plane import URL
from procs import LabError, Process, require, wait_for

NO_RUNTIME = "unix:///nonexistent/containerd.sock"
FIRST_PORT = 10000  # below the ports of outgoing connections, and in a network namespace of its own
SECONDS = 300


class Nobody:
    name = "Nobody watches"
    agents, watches = (), 0

    def start(self, nodes):
        """Returns when all of them watch."""

    def wait_connected(self, moment):
        """Wait until each has read something after `moment` (seconds since 1970)."""

    def end_half(self):
        """End those of every second node. Returns the nodes of the others."""

    def stop(self):
        pass


class Kubelets(Nobody):
    """
    The watches of kubelets 1.36 whose pods use nothing but the ConfigMap that every pod has: 5 of its own, and one in
    each namespace with a pod. One curl for each kubelet holds them on one connection (HTTP/2, protobuf). As the kubelet
    does, it asks for the current objects first, and for all of them again when the connection was lost.
    """

    OWN = ("/api/v1/pods?fieldSelector=spec.nodeName%3D{node}&", "/api/v1/nodes?fieldSelector=metadata.name%3D{node}&",
           "/api/v1/services?fieldSelector=spec.clusterIP%21%3DNone&", "/apis/storage.k8s.io/v1/csidrivers?",
           "/apis/node.k8s.io/v1/runtimeclasses?")
    CONFIG_MAP = "/api/v1/namespaces/{namespace}/configmaps?fieldSelector=metadata.name%3Dkube-root-ca.crt&"
    STREAM = ("watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
              "&timeoutSeconds=3600")

    def __init__(self, plane, pods):
        self._plane, self._processes = plane, {}
        self._paths = [*self.OWN, *(self.CONFIG_MAP.format(namespace=name) for name in NAMESPACES[:pods])]
        self.watches = len(self._paths)
        self.name = f"As many watches as kubelets hold, {self.watches} each"

    def start(self, nodes):
        for node in nodes:
            self._processes[node] = self._curl(node)
        self.wait_connected(0)

    def _answer(self, node, number):
        return os.path.join(self._plane.directory, f"{node}.{number}.answer")

    def _curl(self, node):
        config = os.path.join(self._plane.directory, f"{node}.curl")
        with open(config, "w") as out:
            out.write(f'header = "Authorization: Bearer token-of-{node}"\n'
                      'header = "Accept: application/vnd.kubernetes.protobuf;stream=watch"\n'
                      f'cacert = "{self._plane.pki.ca_file}"\n')
            for number, path in enumerate(self._paths):
                # Not /dev/null: curl cannot begin anew in it, and gives up.
                out.write(f'url = "{URL}{path.format(node=node)}{self.STREAM}"\n'
                          f'output = "{self._answer(node, number)}"\n')
        return Process(f"the watches of {node}", [
            require("curl", "curl"), "--silent", "--no-progress-meter", "--fail", "--no-buffer", "--http2",
            "--parallel", "--parallel-max", "100", "--retry", "1000", "--retry-delay", "2", "--retry-all-errors",
            "--config", config], config + ".log")

    def wait_connected(self, moment):
        def answered(node):
            self._processes[node].check()
            try:
                answers = [os.stat(self._answer(node, number)) for number in range(len(self._paths))]
            except FileNotFoundError:
                return False
            return all(answer.st_size > 0 and answer.st_mtime > moment for answer in answers)

        for node in self._processes:
            wait_for(lambda node=node: answered(node), f"all watches of {node} are answered", SECONDS, interval=0.25)

    def end_half(self):
        for node in list(self._processes)[1::2]:
            self._processes.pop(node).stop()
        return set(self._processes)

    def stop(self):
        while self._processes:
            self._processes.popitem()[1].stop()


class FleetAgent:
    """One agent without a runtime, with a token of its own."""

    def __init__(self, binary, plane, node, token_file, number):
        self.node, self.port = node, FIRST_PORT + number
        self._process = Process(f"the agent of {node}", [
            binary, f"--node-name={node}", f"--cri.endpoint={NO_RUNTIME}", f"--kube.server={URL}",
            f"--kube.ca-file={plane.pki.ca_file}", f"--kube.token-file={token_file}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            f"--debug.listen-address=unix:{os.path.join(plane.directory, node + '.sock')}"],
            os.path.join(plane.directory, f"{node}.log"))
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    @property
    def pid(self):
        return self._process.pid

    def get(self, path):
        """(status, text) of one request on a connection that is kept; (0, "") if it fails."""
        try:
            self._connection.request("GET", path)
            answer = self._connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return 0, ""

    def metrics(self):
        """/metrics. The agent closes a connection that was idle, then the second try works."""
        for _ in range(2):
            status, text = self.get("/metrics")
            if status == 200:
                return Metrics(text)
        raise LabError(f"{self._process.name}: /metrics answered {status}:\n{self._process.tail()}")

    def wait_ready(self):
        self._process.wait_until(lambda: self.get("/-/ready")[0] == 200, "/-/ready", SECONDS)

    def wait_connected(self, moment):
        def read():
            return self.metrics().value("imagepull_source_last_success_timestamp_seconds", source="pods") > moment

        wait_for(read, f"{self._process.name} reads pods again", SECONDS, interval=0.25)

    def signal(self, number):
        self._process.signal(number)

    def stop(self):
        self._connection.close()
        if self._process.stop() != 0:
            raise LabError(f"{self._process.name} did not end well:\n{self._process.tail()}")


class Agents(Nobody):
    def __init__(self, binary, plane, nodes):
        self._binary, self._plane = binary, plane
        self.name = f"{len(nodes)} agents"
        self.agents = []
        self._tokens = {node: plane.agent_token(node) for node in nodes}

    def start(self, nodes):
        self.agents = [FleetAgent(self._binary, self._plane, node, self._tokens[node], number)
                       for number, node in enumerate(nodes)]
        for agent in self.agents:
            agent.wait_ready()

    def wait_connected(self, moment):
        for agent in self.agents:
            agent.wait_connected(moment)

    def reconnects(self, reason):
        """How often they had to read the pods again, for `reason`, since they were started."""
        return sum(agent.metrics().value("imagepull_source_reconnects_total", source="pods", reason=reason)
                   for agent in self.agents)

    def pause(self):
        for agent in self.agents:
            agent.signal(signal.SIGSTOP)

    def resume(self):
        for agent in self.agents:
            agent.signal(signal.SIGCONT)

    def end_half(self):
        ended, self.agents = self.agents[1::2], self.agents[::2]
        for agent in ended:
            agent.stop()
        return {agent.node for agent in self.agents}

    def stop(self):
        while self.agents:
            self.agents.pop().stop()
