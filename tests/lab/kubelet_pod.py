# SPDX-License-Identifier: Apache-2.0
"""
One pod of the lab's kubelet: a thread that starts the pod step by step.

The order is the kubelet's, because it can be seen from outside: a sync first reports the results of the sync before
it, then works. So a failed pull is in the status one sync later.

    sync: status -> pull secrets -> sandbox -> image volumes -> init containers -> containers
    next: at once when the runtime shows a change; 10-15 s after an error; else when the pod changes
"""

import logging
import random
import threading
import time

import grpc

from kube_client import ApiError
from kubelet_images import ImageFailure, Keyring, Want, rpc_error_text
from kubelet_status import pod_status

PLEG_SECONDS = 1.0
RETRY_SECONDS = (10.0, 15.0)


def is_sidecar(container):
    return container.get("restartPolicy") == "Always"


class PodWorker(threading.Thread):
    def __init__(self, kubelet, pod):
        super().__init__(daemon=True, name=pod["metadata"]["name"])
        self._kubelet, self._pod = kubelet, pod
        self._changed, self._pull_lock, self._pull = threading.Event(), threading.Lock(), None
        self._sandbox = None
        self._running = {}  # container name: its id in the runtime
        self._waiting = {}  # container name: {"reason": ..., "message": ...}
        self._seen = None  # the state in the runtime at the last check
        self._published = None
        self._volume_failures = {}

    # --- called by the main thread ---

    def update(self, pod):
        """Take a new version of the pod. A change of its status only is our own."""
        changed = pod["metadata"]["generation"] != self._pod["metadata"]["generation"]
        self._pod = pod
        if changed:
            self._changed.set()
            if "deletionTimestamp" in pod["metadata"]:
                self._cancel_pull()

    # --- the thread ---

    def run(self):
        while "deletionTimestamp" not in self._pod["metadata"]:
            self._changed.clear()
            retry_seconds = random.uniform(*RETRY_SECONDS) / self._kubelet.speed
            try:
                failed = self._sync()
                self._wait(retry_seconds if failed else None)
            except (grpc.RpcError, OSError, ApiError) as error:
                logging.warning("%s: sync failed, next try in %.1f s: %s", self.name, retry_seconds, error)
                self._changed.wait(retry_seconds)
        self._terminate()

    def _wait(self, retry_seconds):
        """Wait until the pod changes, the runtime shows a change, or it is time to try again."""
        deadline = time.monotonic() + retry_seconds if retry_seconds is not None else None
        while not self._changed.wait(PLEG_SECONDS / self._kubelet.speed):
            seen = self._runtime_state()
            if seen != self._seen:
                self._seen = seen
                return
            if deadline is not None and time.monotonic() >= deadline:
                return

    def _runtime_state(self):
        """The state that the kubelet's event generator compares: the sandbox and the containers."""
        return self._sandbox, {name: self._kubelet.runtime.container(cid).state for name, cid in self._running.items()}

    def _sync(self):
        """One round. Returns whether something failed."""
        self._publish()
        keyring = self._keyring()
        if self._sandbox is None and not self._make_sandbox():
            return True
        self._publish()
        self._pull_image_volumes(keyring)
        spec = self._pod["spec"]
        for container in spec.get("initContainers", []):
            failed = self._ensure(container, "initContainers", keyring)
            if failed or not self._lets_others_start(container):
                return failed
        results = [self._ensure(container, "containers", keyring) for container in spec["containers"]]
        return any(results)

    def _lets_others_start(self, container):
        """Whether it is done: a sidecar when it runs, any other init container when it has ended."""
        status = self._container_status(container)
        return status is not None and (is_sidecar(container) or status.finished_at > 0)

    # --- steps ---

    def _keyring(self):
        keyring, missing = Keyring(), []
        namespace = self._pod["metadata"]["namespace"]
        for reference in self._pod["spec"].get("imagePullSecrets", []):
            secret = self._kubelet.api.get("secrets", reference["name"], namespace)
            if secret is None:
                missing.append(reference["name"])
            else:
                keyring.add(secret)
        if missing:
            self._record("Warning", "FailedToRetrieveImagePullSecret",
                         f"Unable to retrieve some image pull secrets ({', '.join(missing)}); attempting to pull the "
                         "image may not succeed.")
        return keyring

    def _make_sandbox(self):
        try:
            self._sandbox = self._kubelet.runtime.run_sandbox(self._kubelet.sandbox_config(self._pod))
        except grpc.RpcError as error:
            self._record("Warning", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {rpc_error_text(error)}")
            return False
        return True

    def _pull_image_volumes(self, keyring):
        self._volume_failures = {}
        for volume in self._pod["spec"].get("volumes", []):
            if "image" not in volume:
                continue
            want = Want(volume["image"]["reference"], volume["image"]["pullPolicy"], self._record)
            try:
                self._get_image(want, keyring)
            except ImageFailure as failure:
                self._volume_failures[volume["name"]] = failure

    def _ensure(self, container, group, keyring):
        """Start the container if it was not started before. Returns whether that failed."""
        name, field_path = container["name"], f"spec.{group}{{{container['name']}}}"
        if name in self._running:
            return False

        def record(event_type, reason, message):
            self._record(event_type, reason, message, field_path)

        try:
            for mount in container.get("volumeMounts", []):
                if mount["name"] in self._volume_failures:
                    raise self._volume_failures[mount["name"]]
            image_id = self._get_image(Want(container["image"], container["imagePullPolicy"], record), keyring)
        except ImageFailure as failure:
            record("Warning", "Failed", f"Error: {failure.reason}")
            self._waiting[name] = {"reason": failure.reason, "message": failure.message}
            return True
        self._start(container, image_id, record)
        return False

    def _get_image(self, want, keyring):
        try:
            return self._kubelet.images.ensure(self._pod["metadata"]["uid"], want, keyring,
                                               self._kubelet.sandbox_config(self._pod), self._remember_pull)
        finally:
            self._pull = None

    def _start(self, container, image_id, record):
        runtime, name = self._kubelet.runtime, container["name"]
        container_id = runtime.create_container(self._sandbox, self._kubelet.container_config(container, image_id),
                                                self._kubelet.sandbox_config(self._pod))
        old = self._kubelet.old_messages
        record("Normal", "Created", f"Created container {name}" if old else "Container created")
        runtime.start_container(container_id)
        record("Normal", "Started", f"Started container {name}" if old else "Container started")
        self._running[name] = container_id
        self._waiting.pop(name, None)

    # --- a long pull must not delay the deletion of its pod ---

    def _remember_pull(self, call):
        with self._pull_lock:
            self._pull = call
        if "deletionTimestamp" in self._pod["metadata"]:
            self._cancel_pull()

    def _cancel_pull(self):
        with self._pull_lock:
            if self._pull is not None:
                self._pull.cancel()

    # --- reports to the API server ---

    def _record(self, event_type, reason, message, field_path=None):
        self._kubelet.events.record(self._pod, event_type, reason, message, field_path)

    def _container_status(self, container):
        container_id = self._running.get(container["name"])
        return self._kubelet.runtime.container(container_id) if container_id else None

    def _publish(self):
        """Send the status if it has changed."""
        pod = self._pod
        containers = pod["spec"].get("initContainers", []) + pod["spec"]["containers"]
        found = {c["name"]: self._container_status(c) for c in containers}
        status = pod_status(pod, self._sandbox is not None, found, self._waiting, self._published)
        if status != self._published:
            self._kubelet.api.update("pods", {"metadata": pod["metadata"], "status": status}, "status")
            self._published = status

    def _terminate(self):
        """Delete the pod: first everything on the node, then the object."""
        if self._sandbox is not None:
            try:
                self._kubelet.runtime.remove_sandbox(self._sandbox)
            except grpc.RpcError as error:
                logging.warning("%s: the sandbox stays behind: %s", self.name, error.details())
        metadata = self._pod["metadata"]
        self._kubelet.images.back_off.forget(metadata["uid"])
        try:
            self._kubelet.api.delete("pods", metadata["name"], metadata["namespace"], grace=0)
        except (OSError, ApiError) as error:
            logging.warning("%s: the object stays behind: %s", self.name, error)
