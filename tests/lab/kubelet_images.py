# SPDX-License-Identifier: Apache-2.0
"""
How the kubelet gets an image: pull policy, credentials from Secrets, back-off, messages.

kubelet: pkg/kubelet/images/image_manager.go and pkg/kubelet/kuberuntime/kuberuntime_image.go,
as of 1.36; with old_messages as they were before 1.32.
"""

import base64
import contextlib
import json
import re
import threading
import time

import grpc

import image_names

FIRST_BACK_OFF_SECONDS, LAST_BACK_OFF_SECONDS = 10.0, 300.0


class ImageFailure(Exception):
    """Why there is no image: the waiting reason and its message."""

    def __init__(self, reason, message):
        super().__init__(message)
        self.reason, self.message = reason, message


# The message of gRPC's C core if there is no runtime.
_NOT_CONNECTED = re.compile(r"failed to connect to all addresses.* unix:(/[^ :]+): (.+)$")


def rpc_error_text(error):
    """A gRPC error as Go prints it."""
    code = "".join(word.capitalize() for word in error.code().name.split("_"))
    return f"rpc error: code = {code} desc = {_details(error)}"


def _details(error):
    """The text of Go's client for a connection that breaks or fails."""
    if error.code() != grpc.StatusCode.UNAVAILABLE:
        return error.details()
    refused = _NOT_CONNECTED.match(error.details())
    if refused is None:
        return "error reading from server: EOF"
    return (f'connection error: desc = "transport: Error while dialing: dial unix {refused[1]}: '
            f'connect: {refused[2].lower()}"')


def _took(seconds):
    """A duration as Go prints it, to the millisecond."""
    return f"{round(seconds * 1000)}ms" if seconds < 1 else f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"


class Want:
    """One image that a pod needs. `record(type, reason, message)` writes an event about it."""

    def __init__(self, image, policy, record):
        self.image, self.policy, self.record = image, policy, record


class BackOff:
    """10 s, 20 s, 40 s ... 300 s after each failure of the same pod and image."""

    def __init__(self, speed):
        self._speed, self._entries = speed, {}  # key: (seconds, since, error)
        self._lock = threading.Lock()

    def failed(self, key, error):
        with self._lock:
            previous = self._entries.get(key)
            seconds = min(previous[0] * 2, LAST_BACK_OFF_SECONDS) if previous else FIRST_BACK_OFF_SECONDS
            self._entries[key] = (seconds, time.monotonic(), error)

    def error(self, key):
        """The error of the back-off, or None when it is time to try again."""
        with self._lock:
            seconds, since, error = self._entries.get(key, (0, 0, None))
            return error if (time.monotonic() - since) * self._speed < seconds else None

    def forget(self, pod_uid):
        with self._lock:
            self._entries = {key: entry for key, entry in self._entries.items() if key[0] != pod_uid}


class ImageManager:
    """`serial`: one pull after the other on the node (serializeImagePulls, the default of the kubelet)."""

    def __init__(self, runtime, speed=1.0, old_messages=False, serial=False):
        self._runtime, self._old = runtime, old_messages
        self._turn = threading.Lock() if serial else contextlib.nullcontext()
        self.back_off = BackOff(speed)

    def ensure(self, pod_uid, want, keyring, sandbox_config, pulling):
        """
        Pull the image if needed. Returns its id or raises ImageFailure. `pulling` gets each pull when it starts,
        so that another thread can cancel it.
        """
        present = self._present(want)
        if want.policy == "Never" and present is None:
            message = f'Container image "{want.image}" is not present with pull policy of Never'
            want.record("Warning", "ErrImageNeverPull", message)
            raise ImageFailure("ErrImageNeverPull", message)
        if present is not None and want.policy != "Always":
            accessible = "" if self._old else " and can be accessed by the pod"
            want.record("Normal", "Pulled", f'Container image "{want.image}" already present on machine{accessible}')
            return present
        return self._pull_unless_backing_off((pod_uid, want.image), want, keyring, sandbox_config, pulling)

    def _present(self, want):
        try:
            image_names.domain(want.image)
        except image_names.InvalidName as error:
            message = (f'Failed to apply default image tag "{want.image}": couldn\'t parse image name '
                       f'"{want.image}": {error}')
            want.record("Warning", "InspectFailed", message)
            raise ImageFailure("InvalidImageName", message) from error
        image = self._runtime.image(want.image)
        return image and image.id

    def _pull_unless_backing_off(self, key, want, keyring, sandbox_config, pulling):
        error = self.back_off.error(key)
        if error is not None:
            message = f'Back-off pulling image "{want.image}"'
            want.record("Normal", "BackOff", message)
            raise ImageFailure("ImagePullBackOff", message if self._old else f"{message}: ErrImagePull: {error}")
        want.record("Normal", "Pulling", f'Pulling image "{want.image}"')
        queued = time.monotonic()
        try:
            with self._turn:
                started = time.monotonic()
                image_id = self._pull(want.image, keyring, sandbox_config, pulling)
        except ImageFailure as failure:
            want.record("Warning", "Failed", f'Failed to pull image "{want.image}": {failure.message}')
            self.back_off.failed(key, failure.message)
            raise
        now = time.monotonic()
        self._record_pulled(want, image_id, now - started, now - queued)
        return image_id

    def _record_pulled(self, want, image_id, pulling_seconds, seconds):
        image = self._runtime.image(image_id)
        size = image.size if image else 0
        want.record("Normal", "Pulled", f'Successfully pulled image "{want.image}" in {_took(pulling_seconds)} '
                                        f"({_took(seconds)} including waiting). Image size: {size} bytes.")

    def _pull(self, image, keyring, sandbox_config, pulling):
        """Pull with each matching credential until one works; without credentials, anonymously."""
        errors = []
        for credentials in keyring.matching(image_names.domain(image)) or [None]:
            try:
                return self._runtime.pull(image, credentials, sandbox_config, pulling)
            except grpc.FutureCancelledError:
                errors = ["rpc error: code = Canceled desc = context canceled"]
                break
            except grpc.RpcError as error:
                text = self._error_text(error)
                if text not in errors:
                    errors.append(text)
        raise ImageFailure("ErrImagePull", errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]")

    def _error_text(self, error):
        """The code Unknown tells nothing, so kubelets since 2023 leave it out."""
        if error.code() == grpc.StatusCode.UNKNOWN and not self._old:
            return error.details()
        return rpc_error_text(error)


class Keyring:
    """The credentials of a pod's image pull Secrets, in order."""

    def __init__(self):
        self._entries = []  # (registry, (username, password))

    def add(self, secret):
        data = secret.get("stringData", {}).get(".dockerconfigjson")
        if data is None:
            data = base64.b64decode(secret.get("data", {}).get(".dockerconfigjson", "")).decode()
        for registry, entry in json.loads(data or "{}").get("auths", {}).items():
            host = registry.partition("://")[2] or registry
            self._entries.append((host.partition("/")[0], self._pair(entry)))

    @staticmethod
    def _pair(entry):
        if "auth" in entry:
            username, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
            return username, password
        return entry.get("username", ""), entry.get("password", "")

    def matching(self, registry):
        return [pair for host, pair in self._entries if host == registry]
