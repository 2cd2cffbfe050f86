# SPDX-License-Identifier: Apache-2.0
"""
Replays recorded watch streams into the store of the API server's double, change by change.

Pods and events share one version counter, so their order is known. The bytes of the objects stay as recorded, in
lists and in watches.
"""

import asyncio

import kube_codec as codec
from api_store import Change, Stored


class Replay:
    def __init__(self, recordings, interval_seconds, last_version=None):
        """`recordings`: {resource: file of a protobuf watch stream}. If empty, it does nothing."""
        self._interval, self._task = interval_seconds, None
        changes = [change for resource, path in recordings.items() for change in self._read(resource, path)]
        changes.sort(key=lambda change: change.stored.version)
        self._changes = [c for c in changes if last_version is None or c.stored.version <= last_version]

    @staticmethod
    def _read(resource, path):
        with open(path, "rb") as recording:
            data = recording.read()
        for event_type, body in codec.frames(data):
            if event_type != "ERROR":
                yield Change(event_type, Stored(resource, raw=codec.unwrap(body)[1]))

    @property
    def first_version(self):
        """The version before the first one of the recording."""
        return self._changes[0].stored.version - 1 if self._changes else 100

    def begin_with(self, store):
        """Called by the API. The first watch of pods starts the replay."""

        def on_watch(resource):
            if resource == "pods" and self._task is None and self._changes:
                self._task = asyncio.ensure_future(self._play(store))

        return on_watch

    async def _play(self, store):
        for change in self._changes:
            await asyncio.sleep(self._interval)
            store.apply(change.type, change.stored)
