# SPDX-License-Identifier: Apache-2.0
"""
What the kubelet itself says about failed pulls: its Events, the status of its pods, and its log. The agent must say the
same.
"""

import collections
import datetime
import re

import image_names

# The kubelet's Events have whole seconds; the agent sees a status a moment later than it was made.
TOLERANCE_SECONDS = 2.5

_FAILED_PULL = re.compile(r'"PullImage from image service failed" .* image="([^"]*)"$', re.M)
_FAILED_SYNC = re.compile(r'^E(\d{4} [\d:.]+) .* "Error syncing pod, skipping" .* podUID="([^"]*)"$', re.M)
_FAILED_CONTAINER = re.compile(r'failed to \\"StartContainer\\" for \\"([^"\\]+)\\" with ErrImagePull:')
_EVENT_MESSAGE = re.compile(r'Failed to pull image "([^"]*)"')
_FIELD_PATH = re.compile(r"spec\.(?:initContainers|containers|ephemeralContainers)\{(.+)\}")
_NO_PULL = ("never_pull", "invalid_reference")  # the kubelet refuses these itself


def _seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if text else None


class Pull:
    """The failed pulls of one image for one container, or for one image volume."""

    def __init__(self):
        self.attempts, self.first, self.last = 0, None, None

    def add(self, attempts, first, last):
        self.attempts += attempts
        self.first = min(filter(None, (self.first, first)))
        self.last = max(filter(None, (self.last, last)))

    def complete(self, logged):
        """Take the numbers of the log if it has more: the kubelet sends 25 Events about a pod, then one in 5 min."""
        if logged.attempts > self.attempts:
            self.attempts, self.last = logged.attempts, logged.last


def _mirrors(api, namespace):
    """{the kubelet's uid of a static pod: the uid of its mirror pod in the API}"""
    hashes = ((pod["metadata"].get("annotations", {}).get("kubernetes.io/config.hash"), pod["metadata"]["uid"])
              for pod in api.list("pods", namespace))
    return {config_hash: uid for config_hash, uid in hashes if config_hash}


def pulls(api, namespace):
    """
    {(pod uid, container, image): Pull} of the Events "Failed to pull image" of a namespace. The container is "" if the
    image is that of a volume. Static pods that are gone are left out.
    """
    mirrors = _mirrors(api, namespace)
    found = {}
    for event in api.list("events", namespace):
        pod = event["involvedObject"]
        image = _EVENT_MESSAGE.match(event["message"])
        uid = mirrors.get(pod["uid"], pod["uid"])
        if event["reason"] != "Failed" or not image or "-" not in uid:
            continue
        container = _FIELD_PATH.fullmatch(pod.get("fieldPath", ""))
        found.setdefault((uid, container.group(1) if container else "", image.group(1)), Pull()).add(
            event.get("count") or 1, _seconds(event.get("firstTimestamp")), _seconds(event.get("lastTimestamp")))
    return found


def logged_pulls(log):
    """{(pod uid, container): Pull} in a text of the kubelet's log. A container fails when an image volume does."""
    found = {}
    for when, uid, failed in ((line.group(1), line.group(2), _FAILED_CONTAINER.findall(line.group()))
                              for line in _FAILED_SYNC.finditer(log)):
        at = datetime.datetime.strptime(f"{datetime.date.today().year}{when}", "%Y%m%d %H:%M:%S.%f").timestamp()
        for container in failed:
            found.setdefault((uid, container), Pull()).add(1, at, at)
    return found


def failed_pulls(log):
    """
    {registry: failed pulls} in a text of the kubelet's log. The log has them all, also those of deleted pods. It has
    one line for each login that the kubelet tries.
    """
    return collections.Counter(image_names.domain(image) for image in _FAILED_PULL.findall(log))


def limited_pulls(api):
    """{registry: failed pulls} that the kubelet refused to start because of registryPullQPS: its log has no image."""
    found = collections.Counter()
    for event in api.list("events"):
        image = _EVENT_MESSAGE.match(event["message"])
        if image and event["message"].endswith(": pull QPS exceeded"):
            found[image_names.domain(image.group(1))] += event.get("count") or 1
    return found


def expected(case, namespace):
    """pulls(), completed with the kubelet's log where that is possible: a container with one image."""
    found, logged = pulls(case.api, namespace), logged_pulls(case.cluster.kubelet.log())
    images = collections.Counter((uid, container) for uid, container, _ in found)
    for (uid, container, _), pull in found.items():
        if images[uid, container] == 1 and (uid, container) in logged:
            pull.complete(logged[uid, container])
    return found


def _key(failure):
    container = "" if failure["kind"] == "image_volume" else failure["container"]
    return failure["pod_uid"], container, failure["image"]


def differences(case, namespace, agent):
    """Sentences about what the agent says of a namespace and the kubelet does not. Empty: they agree."""
    kubelet = expected(case, namespace)
    shown = [f for f in agent.failures_of(namespace)
             if f["kind"] != "sandbox" and f["state"] != "stalled" and f["reason"] not in _NO_PULL]
    keys = {_key(failure) for failure in shown}
    found = [f"{key}: the kubelet counts {pull.attempts} failed pulls, the agent shows nothing"
             for key, pull in kubelet.items() if key not in keys]
    for failure in shown:
        name = f"{failure['pod']}/{failure['container']}"
        pull = kubelet.get(_key(failure))
        if pull is None:
            found.append(f"{name}: the agent says {failure['attempts']} attempts of {failure['image']}, "
                         f"the kubelet none")
            continue
        if failure["attempts"] != pull.attempts:
            found.append(f"{name}: the agent says {failure['attempts']} attempts, the kubelet {pull.attempts}")
        for field, true in (("first_failure", pull.first), ("last_failure", pull.last)):
            seen = _seconds(failure[field])
            if seen is None or abs(seen - true) > TOLERANCE_SECONDS:
                found.append(f"{name}: {field} is {failure[field]}, the kubelet says "
                             f"{datetime.datetime.fromtimestamp(true, datetime.timezone.utc).isoformat()}")
    return found
