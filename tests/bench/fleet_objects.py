# SPDX-License-Identifier: Apache-2.0
"""The objects of the fleet as JSON: nodes, pods, and what a kubelet writes about them."""

import copy
import datetime
import json

NAMESPACES = [f"team-{i:02}" for i in range(10)]
REGISTRY = "registry.example.com"


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def node_name(number):
    return f"node-{number:04}"


def node(name):
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {
        "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}}}


def lease(name, version=None):
    metadata = {"name": name, "namespace": "kube-node-lease"}
    if version:
        metadata["resourceVersion"] = version
    moment = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": {
        "holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": moment}}


class Pod:
    """One of the pods of a node. When it is replaced, the new one has the next generation in its name."""

    def __init__(self, node, number):
        self.node, self.number, self.generation, self.uid = node, number, 0, None
        self.namespace = NAMESPACES[number % len(NAMESPACES)]
        self.image = f"{REGISTRY}/{self.namespace}/service-{number:02}:v1"

    @property
    def name(self):
        return f"service-{self.number:02}-{self.generation:04x}-{self.node}"

    def copy(self):
        return copy.copy(self)

    def manifest(self):
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {
            "name": self.name, "labels": {"app": f"service-{self.number:02}", "pod-template-hash": "7d4b9c6f5d"},
            "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"}}, "spec": {
                "nodeName": self.node, "containers": [{
                    "name": "app", "image": self.image, "ports": [{"name": "http", "containerPort": 8080}],
                    "env": [{"name": f"SETTING_{i}", "value": f"value-of-setting-{i}"} for i in range(8)],
                    "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
                    "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}}}]}}

    def _status(self, phase, state, ready=False):
        moment, true = now(), "True" if ready else "False"
        conditions = [{"type": "PodReadyToStartContainers", "status": "True", "lastTransitionTime": moment},
                      {"type": "Initialized", "status": "True", "lastTransitionTime": moment},
                      {"type": "Ready", "status": true, "lastTransitionTime": moment},
                      {"type": "ContainersReady", "status": true, "lastTransitionTime": moment},
                      {"type": "PodScheduled", "status": "True", "lastTransitionTime": moment}]
        return {"status": {"phase": phase, "startTime": moment, "hostIP": "10.77.0.1", "conditions": conditions,
                           "containerStatuses": [{
                               "name": "app", "image": self.image, "ready": ready, "started": ready, "restartCount": 0,
                               "imageID": f"{REGISTRY}/app@sha256:{'0' * 64}" if ready else "", "state": state}]}}

    def creating(self):
        return self._status("Pending", {"waiting": {"reason": "ContainerCreating"}})

    def running(self):
        return self._status("Running", {"running": {"startedAt": now()}}, ready=True)

    def terminated(self):
        return self._status("Running", {"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": now()}})

    def _message(self):
        return (f'rpc error: code = NotFound desc = failed to pull and unpack image "{self.image}": failed to resolve '
                f"image: {self.image}: not found")

    def failed_pull(self):
        return self._status("Pending", {"waiting": {"reason": "ErrImagePull", "message": self._message()}})

    def back_off(self):
        message = f'Back-off pulling image "{self.image}": ErrImagePull: {self._message()}'
        return self._status("Pending", {"waiting": {"reason": "ImagePullBackOff", "message": message}})

    def error_events(self):
        return [self._event("pulling", "Normal", "Pulling", f'Pulling image "{self.image}"'),
                self._event("failed", "Warning", "Failed", f'Failed to pull image "{self.image}": {self._message()}'),
                self._event("error", "Warning", "Failed", "Error: ErrImagePull")]

    def back_off_events(self):
        return [self._event("backoff", "Normal", "BackOff", f'Back-off pulling image "{self.image}"'),
                self._event("waiting", "Warning", "Failed", "Error: ImagePullBackOff")]

    def _event(self, key, kind, reason, message):
        moment = now()
        return {"apiVersion": "v1", "kind": "Event", "metadata": {"name": f"{self.name}.{key}"},
                "involvedObject": {"kind": "Pod", "apiVersion": "v1", "namespace": self.namespace, "name": self.name,
                                   "uid": self.uid, "fieldPath": "spec.containers{app}"},
                "source": {"component": "kubelet", "host": self.node}, "reportingComponent": "kubelet",
                "reportingInstance": self.node, "type": kind, "reason": reason, "message": message, "count": 1,
                "firstTimestamp": moment, "lastTimestamp": moment}


def encode(value):
    return json.dumps(value, separators=(",", ":")).encode()
