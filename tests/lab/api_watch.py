# SPDX-License-Identifier: Apache-2.0
"""One watch: where it starts, what it sends, when it ends."""

import asyncio
import random
import time

import kube_codec as codec
from api_store import Expired

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
FROM_ETCD = "The resourceVersion for the provided watch is too old."
INJECTED = "INJECTED"  # not a change, but a fault: see api_faults.StreamFault


class Watch:
    """The stream behind one watch request."""

    def __init__(self, store, target, selectors, query, protobuf, bookmark_seconds):
        self._store, self._target, self._selectors = store, target, selectors
        self._protobuf, self._bookmark_seconds = protobuf, bookmark_seconds
        self._bookmarks = query.get("allowWatchBookmarks") in ("1", "true")
        self._end = time.monotonic() + float(query.get("timeoutSeconds") or random.uniform(1800, 3600))
        self._query = query

    def _initial(self):
        query = self._query
        version = query.get("resourceVersion", "")
        wants_state = query.get("sendInitialEvents") in ("1", "true")
        if wants_state or ("sendInitialEvents" not in query and version in ("", "0")):
            items = self._store.list(self._target.resource, self._target.namespace, self._selectors)
            first = [self._encode("ADDED", item) for item in items]
            if wants_state and self._bookmarks:
                first.append(self.bookmark({INITIAL_EVENTS_END: "true"}))
            return first
        if version in ("", "0"):
            return []
        return [data for change in self._store.since(int(version)) for data in self._selected(change)]

    async def stream(self):
        # There is no await between the two, so no change can be lost.
        queue = self._store.subscribe()
        try:
            for data in self._initial():
                yield data
            async for data in self._changes(queue):
                yield data
        except Expired as expired:
            # Pods are watched in the cache of the API server, events in etcd.
            text = FROM_ETCD if self._target.resource == "events" else str(expired)
            yield self.error(codec.status(410, "Expired", text))
        finally:
            self._store.unsubscribe(queue)

    async def _changes(self, queue):
        """
        Changes from now on, with a bookmark from time to time and one at the end, like the real server. Also on a
        machine that needed all the time for what came before.
        """
        next_bookmark = time.monotonic() + self._bookmark_seconds
        while True:
            until = min(self._end, next_bookmark)
            try:
                change = await asyncio.wait_for(queue.get(), max(0, until - time.monotonic()))
            except asyncio.TimeoutError:
                if self._bookmarks:
                    yield self.bookmark()
                if time.monotonic() >= self._end:
                    return
                next_bookmark = time.monotonic() + self._bookmark_seconds
                continue
            if change.type == INJECTED:
                if change.stored.resource == self._target.resource:
                    async for data in change.stored.play(self):
                        yield data
                    if change.stored.ends:
                        return
                continue
            for data in self._selected(change):
                yield data

    def _selected(self, change):
        """[the bytes of the change], or [] if this watch does not select it."""
        stored = change.stored
        if stored.resource != self._target.resource:
            return []
        if change.type == "BOOKMARK":
            return [self._encode("BOOKMARK", stored)] if self._bookmarks else []
        return self._seen_by_selector(change)

    def _seen_by_selector(self, change):
        """
        An object that a selector begins to match is ADDED, and one that it does not match any more is DELETED: then
        the watch sends its last version that matched, with the resourceVersion of the change
        (k8s.io/apiserver: pkg/storage/cacher/cache_watcher.go, convertToWatchEvent()).
        """
        stored, before = change.stored, change.before
        now = stored.matches(self._target.namespace, self._selectors)
        if change.type == "DELETED" or before is None:
            return [self._encode(change.type, stored)] if now else []
        was = before.matches(self._target.namespace, self._selectors)
        if now:
            return [self._encode(change.type if was else "ADDED", stored)]
        return [self._encode("DELETED", before.at_version(stored.version))] if was else []

    def recent(self, count):
        """The last `count` changes that this watch selects, as it sent them."""
        sent = [data for change in self._store.history() for data in self._selected(change)]
        return sent[-count:]

    # --- bytes ---

    def _encode(self, event_type, stored):
        if self._protobuf:
            return codec.frame(event_type, codec.wrap(stored.kind, stored.raw))
        return self._line(event_type, stored.json())

    def bookmark(self, annotations=None):
        value = {"kind": self._target.kind, "apiVersion": "v1",
                 "metadata": {"resourceVersion": str(self._store.version)}}
        if annotations:
            value["metadata"]["annotations"] = annotations
        if self._protobuf:
            raw = codec.to_message(self._target.kind, value).SerializeToString()
            return codec.frame("BOOKMARK", codec.wrap(self._target.kind, raw))
        return self._line("BOOKMARK", value)

    def error(self, status):
        if self._protobuf:
            raw = codec.to_message("Status", status).SerializeToString()
            return codec.frame("ERROR", codec.wrap("Status", raw))
        return self._line("ERROR", status)

    @staticmethod
    def _line(event_type, value):
        return codec.encode_json({"type": event_type, "object": value}) + b"\n"
