# SPDX-License-Identifier: Apache-2.0
"""Events like those of the kubelet's recorder: equal events are counted in one object, too many are dropped."""

import threading
import time

from api_write import now_text
from kube_client import ApiError

# client-go, tools/record: per pod and type 25 in a burst, then one in 300 s.
BURST, REFILL_SECONDS = 25, 300.0


class Recorder:
    def __init__(self, api, node, speed=1.0):
        self._api, self._node, self._speed = api, node, speed
        self._lock = threading.Lock()
        self._events = {}  # key of equal events: the event as it was last written
        self._buckets = {}  # (pod uid, type): (tokens left, time)

    def record(self, pod, event_type, reason, message, field_path=None):
        """Record an event about `pod`, or about its container at `field_path`."""
        metadata = pod["metadata"]
        key = (metadata["uid"], field_path, event_type, reason, message)
        with self._lock:
            if not self._take_token((metadata["uid"], event_type)):
                return
            event = self._events.get(key)
            if event is None:
                self._create(key, self._new(pod, event_type, reason, message, field_path))
            else:
                self._count(key, event)

    def _new(self, pod, event_type, reason, message, field_path):
        metadata = pod["metadata"]
        involved = {"kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"],
                    "uid": metadata["uid"], "apiVersion": "v1", "resourceVersion": metadata["resourceVersion"]}
        if field_path:
            involved["fieldPath"] = field_path
        now = now_text()
        return {"metadata": {"name": f"{metadata['name']}.{time.time_ns():x}", "namespace": metadata["namespace"]},
                "involvedObject": involved, "reason": reason, "message": message,
                "source": {"component": "kubelet", "host": self._node}, "firstTimestamp": now, "lastTimestamp": now,
                "count": 1, "type": event_type, "eventTime": None, "reportingComponent": "kubelet",
                "reportingInstance": self._node}

    def _create(self, key, event):
        self._events[key] = self._api.create("events", event, event["metadata"]["namespace"])

    def _count(self, key, event):
        event = {**event, "count": event["count"] + 1, "lastTimestamp": now_text()}
        try:
            self._events[key] = self._api.update("events", event)
        except ApiError as error:
            if error.status != 404:
                raise
            # The API server has deleted the event after its time to live, so the count starts again.
            self._create(key, {**event, "count": 1, "firstTimestamp": event["lastTimestamp"]})

    def _take_token(self, key):
        now = time.monotonic()
        tokens, since = self._buckets.get(key, (BURST, now))
        tokens = min(BURST, tokens + (now - since) * self._speed / REFILL_SECONDS)
        allowed = tokens >= 1
        self._buckets[key] = (tokens - allowed, now)
        return allowed
