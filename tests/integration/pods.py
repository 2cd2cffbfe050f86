# SPDX-License-Identifier: Apache-2.0
"""Pods and their statuses as a kubelet writes them, for the double of the API server."""

import time

REGISTRY = "registry.example.com"
IMAGE = REGISTRY + "/team/app:v1"
REFUSED = (f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": pull access denied, '
           "repository does not exist or may require authorization: authorization failed: no basic auth credentials")
NOT_FOUND = (f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": {IMAGE}: not found')


def pod(name, node="lab-node", image=IMAGE, **spec):
    """A pod with one container 'app', if `spec` does not replace it."""
    return {"metadata": {"name": name},
            "spec": {"nodeName": node, "containers": [{"name": "app", "image": image}], **spec}}


def waiting(reason, message="", name="app"):
    """A container's status."""
    return {"name": name, "state": {"waiting": {"reason": reason, "message": message}}}


def back_off(message=REFUSED, name="app", image=IMAGE):
    """The message of kubelets since 1.32, which contains the cause."""
    return waiting("ImagePullBackOff", f'Back-off pulling image "{image}": ErrImagePull: {message}', name)


def running(name="app"):
    return {"name": name, "ready": True, "started": True, "containerID": f"containerd://{name}",
            "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}


def pulled_event(name, uid, message, reason="Failed", count=1, node="lab-node", field_path="spec.containers{app}",
                 first=None, last=None):
    """An event of the kubelet about a pod. `first` and `last` are times; default: now."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    involved = {"kind": "Pod", "namespace": "default", "name": name, "uid": uid, "apiVersion": "v1"}
    if field_path:
        involved["fieldPath"] = field_path
    return {"metadata": {"name": f"{name}.{time.time_ns():x}", "namespace": "default"}, "involvedObject": involved,
            "reason": reason, "message": message, "source": {"component": "kubelet", "host": node}, "type": "Warning",
            "count": count, "firstTimestamp": first or now, "lastTimestamp": last or now, "eventTime": None,
            "reportingComponent": "kubelet", "reportingInstance": node}


class Pods:
    """Writes pods to the double, as a user and the kubelet do."""

    def __init__(self, admin):
        self.admin = admin

    def create(self, value, *statuses, **more):
        """Create the pod, then write the statuses of its containers. Returns its uid."""
        namespace = value["metadata"].get("namespace", "default")
        created = self.admin.create("pods", value, namespace)
        if statuses or more:
            self.report(value["metadata"]["name"], *statuses, **more)
        return created["metadata"]["uid"]

    def report(self, name, *statuses, phase="Pending", **more):
        """Write the kubelet's status of a pod: its containers, or others as initContainerStatuses=[...]."""
        status = {"phase": phase, "containerStatuses": list(statuses), **more}
        self.admin.update("pods", {"metadata": {"name": name}, "status": status}, "status")

    def create_failing(self, name, message=REFUSED):
        """A pod with ErrImagePull, then with the back-off."""
        uid = self.create(pod(name), waiting("ErrImagePull", message))
        self.report(name, back_off(message))
        return uid

    def record(self, event):
        """Create an event, or update it with a higher count. Returns it."""
        if "uid" in event["metadata"]:
            return self.admin.update("events", event)
        return self.admin.create("events", event)

    def delete(self, name):
        self.admin.delete("pods", name, grace=0)

    def delete_all(self):
        for each in self.admin.list("pods"):
            self.admin.delete("pods", each["metadata"]["name"], each["metadata"]["namespace"], grace=0)
