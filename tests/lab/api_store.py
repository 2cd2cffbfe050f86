# SPDX-License-Identifier: Apache-2.0
"""
The state of the API server's double: objects by resource and name, one version counter, and a bounded
history from which a watch can start. Only one thread (the event loop) uses it.
"""

import asyncio
import collections

import kube_codec as codec

KINDS = {"pods": "Pod", "events": "Event", "secrets": "Secret"}
HISTORY = 4096
PAGED_LISTS = 8


class Expired(Exception):
    """The resourceVersion is too old: it is no longer in the history (410)."""


class Stored:
    """One version of one object. It is kept in the format of its writer and converted on demand."""

    def __init__(self, resource, value=None, raw=None):
        self.resource, self.kind = resource, KINDS[resource]
        self._value, self._raw = value, raw
        self.metadata = self.value.get("metadata", {}) if raw is None else codec.plain(self._message().metadata)
        self.version = int(self.metadata.get("resourceVersion", 0))
        self.key = (self.metadata.get("namespace", ""), self.metadata.get("name", ""))

    def _message(self):
        return codec.MESSAGES[self.kind].FromString(self._raw)

    @property
    def value(self):
        if self._value is None:
            self._value = codec.plain(self._message())
        return self._value

    @property
    def raw(self):
        if self._raw is None:
            self._raw = codec.to_message(self.kind, self._value).SerializeToString()
        return self._raw

    def json(self):
        return {"kind": self.kind, "apiVersion": "v1", **self.value}

    def at_version(self, version):
        """The same object with another resourceVersion."""
        metadata = {**self.value["metadata"], "resourceVersion": str(version)}
        return Stored(self.resource, {**self.value, "metadata": metadata})

    def matches(self, namespace, selectors):
        if namespace and self.key[0] != namespace:
            return False
        return all((self._selected(name) == wanted) == equal for name, equal, wanted in selectors)

    def _selected(self, name):
        if name == "source":  # of an event: only the component
            return self.value.get("source", {}).get("component", "")
        at = self.value
        for part in name.split("."):
            at = at.get(part, {})
        return at or ""


SELECTABLE = {
    "pods": {"metadata.name", "metadata.namespace", "spec.nodeName", "status.phase"},
    "events": {"metadata.name", "metadata.namespace", "involvedObject.kind", "involvedObject.name",
               "involvedObject.namespace", "involvedObject.uid", "reason", "source", "type"},
    "secrets": {"metadata.name", "metadata.namespace"},
}

# `before`: the version that it replaces, or None.
Change = collections.namedtuple("Change", "type stored before", defaults=[None])
Selector = collections.namedtuple("Selector", "name equal wanted")


class Store:
    def __init__(self, version=100):
        self.version = version
        self._objects = {resource: {} for resource in KINDS}
        self._history = collections.deque()
        self._oldest = version  # the oldest version from which a watch may start
        self._watchers = set()
        self._pages = collections.OrderedDict()

    # --- reading ---

    def get(self, resource, namespace, name):
        return self._objects[resource].get((namespace, name))

    def list(self, resource, namespace="", selectors=None):
        objects = self._objects[resource]
        return [objects[key] for key in sorted(objects) if objects[key].matches(namespace, selectors or [])]

    def remember_page(self, items):
        """Keep a whole list, so that all of its pages have the same version. Returns that version."""
        self._pages[self.version] = items
        while len(self._pages) > PAGED_LISTS:
            self._pages.popitem(last=False)
        return self.version

    def remembered(self, version):
        if version not in self._pages:
            raise Expired("The provided continue parameter is too old to display a consistent list result. "
                          "You can start a new list without the continue parameter.")
        return self._pages[version]

    # --- writing ---

    def next_version(self):
        self.version += 1
        return self.version

    def apply(self, change_type, stored):
        """Store an object that has a version already, and notify the watches."""
        self.version = max(self.version, stored.version)
        objects = self._objects[stored.resource]
        before = objects.get(stored.key)
        if change_type == "DELETED":
            objects.pop(stored.key, None)
        elif change_type != "BOOKMARK":
            objects[stored.key] = stored
        change = Change(change_type, stored, before)
        if change_type != "BOOKMARK":
            self._remember(change)
        self.tell(change)

    def put(self, change_type, resource, value):
        """Give the object the next version and store it. Returns the stored object."""
        metadata = {**value.get("metadata", {}), "resourceVersion": str(self.next_version())}
        stored = Stored(resource, {**value, "metadata": metadata})
        self.apply(change_type, stored)
        return stored

    def _remember(self, change):
        self._history.append(change)
        while len(self._history) > HISTORY:
            self._oldest = self._history.popleft().stored.version

    def compact(self):
        """Forget the history, as etcd does every five minutes. Returns the oldest version that remains."""
        self._history.clear()
        self._pages.clear()
        self._oldest = self.version
        return self._oldest

    # --- watching ---

    def since(self, version):
        """All changes after `version`, for a watch that starts there."""
        if version < self._oldest:
            raise Expired(f"too old resource version: {version} ({self._oldest})")
        return [change for change in self._history if change.stored.version > version]

    def history(self):
        """All changes in the history."""
        return list(self._history)

    def tell(self, change):
        """Send something to all watches that is not a change of an object."""
        for watcher in self._watchers:
            watcher.put_nowait(change)

    def subscribe(self):
        """A queue that gets every change from now on. Return it with unsubscribe()."""
        queue = asyncio.Queue()
        self._watchers.add(queue)
        return queue

    def unsubscribe(self, queue):
        self._watchers.discard(queue)

    @property
    def watchers(self):
        return len(self._watchers)
