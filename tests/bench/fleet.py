# SPDX-License-Identifier: Apache-2.0
"""The nodes and pods of the fleet. There is no kubelet, controller or scheduler: Fleet writes what they would write."""

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from fleet_objects import NAMESPACES, Pod, lease, node, node_name
from fleet_plane import Writer

WRITERS = 8
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


class Fleet:
    """Each of its methods returns when all is written, by several threads."""

    def __init__(self, plane, pods_per_node):
        self.nodes, self.pods = [], []
        self._pods_per_node = pods_per_node
        self._writer, self._pool = Writer(plane), ThreadPoolExecutor(WRITERS)
        self._lease_versions = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._pool.shutdown(cancel_futures=True)

    def _each(self, action, items):
        """Call `action` for each item, in several threads."""
        for _ in self._pool.map(action, items):
            pass

    def grow(self, nodes):
        """Add nodes with running pods until there are `nodes`."""
        added = [node_name(number) for number in range(len(self.nodes), nodes)]
        self._each(lambda name: self._writer.send("POST", "/api/v1/nodes", node(name)), added)
        self._each(self._make_lease, added)
        pods = [Pod(name, number) for name in added for number in range(self._pods_per_node)]
        self._each(self._start, pods)
        self.nodes += added
        self.pods += pods

    # --- leases ---

    def _make_lease(self, name):
        self._lease_versions[name] = self._version("POST", LEASES, lease(name))

    def renew(self, name):
        """Renew the lease of a node."""
        value = lease(name, self._lease_versions[name])
        self._lease_versions[name] = self._version("PUT", f"{LEASES}/{name}", value)

    def _version(self, *request):
        return self._writer.object(*request)["metadata"]["resourceVersion"]

    # --- pods ---

    @staticmethod
    def _path(pod):
        return f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"

    def write_status(self, pod, status):
        self._writer.send("PATCH", self._path(pod) + "/status", status)

    def _start(self, pod):
        """A pod has three versions until it runs: made for its node, creating, running."""
        made = self._writer.object("POST", f"/api/v1/namespaces/{pod.namespace}/pods", pod.manifest())
        pod.uid = made["metadata"]["uid"]
        self.write_status(pod, pod.creating())
        self.write_status(pod, pod.running())

    def _delete(self, pod):
        """It is marked, then its container terminates, then it is gone."""
        self._writer.send("DELETE", self._path(pod) + "?gracePeriodSeconds=30")
        self.write_status(pod, pod.terminated())
        self._writer.send("DELETE", self._path(pod) + "?gracePeriodSeconds=0")

    def sample(self, share):
        """One in `share` of the pods, the same number of each node, and on all nodes in turn."""
        return sorted((pod for pod in self.pods if pod.number % share == 0), key=lambda pod: pod.number)

    def replace(self, pods):
        """In the place of each pod a new one starts, then the old one ends."""
        def replace(pod):
            old = pod.copy()
            pod.generation += 1
            self._start(pod)
            self._delete(old)

        self._each(replace, pods)

    def touch(self):
        """Change one pod of each node."""
        self._each(lambda pod: self.write_status(pod, pod.running()), [pod for pod in self.pods if pod.number == 0])

    # --- failures ---

    def failing(self):
        """The pods that fail: one in ten of each node, all in one namespace, as when a bad image is rolled out."""
        wanted = max(1, self._pods_per_node // 10)
        return [pod for pod in self.pods
                if pod.namespace == NAMESPACES[0] and pod.number // len(NAMESPACES) < wanted]

    def fail(self, pods, attempt):
        """What kubelets write about an attempt to pull: the error, and then, for all pods, that they back off."""
        self._each(lambda pod: self._report(pod, pod.failed_pull(), pod.error_events(), attempt), pods)
        self._each(lambda pod: self._report(pod, pod.back_off(), pod.back_off_events(), attempt), pods)

    def _report(self, pod, status, events, attempt):
        self.write_status(pod, status)
        place = f"/api/v1/namespaces/{pod.namespace}/events"
        for event in events:
            if attempt == 1:
                self._writer.send("POST", place, event)
            else:
                change = {"count": attempt, "lastTimestamp": event["lastTimestamp"]}
                self._writer.send("PATCH", f"{place}/{event['metadata']['name']}", change)

    def repair(self, pods):
        """The pods run, and their Events are deleted."""
        self._each(lambda pod: self.write_status(pod, pod.running()), pods)
        self._writer.send("DELETE", f"/api/v1/namespaces/{NAMESPACES[0]}/events")


class Leases(threading.Thread):
    """Renews the lease of every node each 10 s, as kubelets do, until end()."""

    def __init__(self, fleet):
        super().__init__(daemon=True)
        self._fleet, self._ended = fleet, threading.Event()

    def run(self):
        due = time.monotonic()
        for name in itertools.cycle(self._fleet.nodes):
            due += 10 / len(self._fleet.nodes)
            if self._ended.wait(max(0, due - time.monotonic())):
                return
            self._fleet.renew(name)

    def end(self):
        self._ended.set()
        self.join()
