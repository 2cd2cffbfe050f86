# SPDX-License-Identifier: Apache-2.0
"""
What the kubelet itself says about failed pulls: its Events, the status of its pods, and its log. The agent must say the
same.
"""

import collections
import datetime
import re

import image_names

_FAILED_PULL = re.compile(r'"PullImage from image service failed" .* image="([^"]*)"$', re.M)

# The kubelet's Events have whole seconds; the agent sees a status a moment later than it was made.
TOLERANCE_SECONDS = 2.5


def _seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if text else None


class Pull:
    """The failed pulls of one container, as its Events count them."""

    def __init__(self):
        self.attempts, self.first, self.last = 0, None, None

    def add(self, event):
        self.attempts += event.get("count") or 1
        first, last = _seconds(event.get("firstTimestamp")), _seconds(event.get("lastTimestamp"))
        self.first = min(filter(None, (self.first, first)))
        self.last = max(filter(None, (self.last, last)))


def pulls(api, namespace):
    """{(pod uid, container): Pull} of the Events "Failed to pull image" of a namespace."""
    found = {}
    for event in api.list("events", namespace):
        container = re.fullmatch(r"spec\.(?:initContainers|containers|ephemeralContainers)\{(.+)\}",
                                 event["involvedObject"].get("fieldPath", ""))
        if container and event["reason"] == "Failed" and event["message"].startswith("Failed to pull image"):
            found.setdefault((event["involvedObject"]["uid"], container.group(1)), Pull()).add(event)
    return found


def combined(api, namespace):
    """The uids of pods whose Events the kubelet's spam filter has combined: there the counts are too small."""
    return {event["involvedObject"]["uid"] for event in api.list("events", namespace)
            if event["message"].startswith("(combined from similar events)")}


def differences(case, namespace, agent):
    """Sentences about what the agent says of a namespace and the kubelet does not. Empty: they agree."""
    expected, uncertain = pulls(case.api, namespace), combined(case.api, namespace)
    shown = {(f["pod_uid"], f["container"]): f for f in agent.failures_of(namespace)
             if f["kind"] not in ("sandbox", "image_volume") and f["state"] != "stalled"}
    found = []
    for key, pull in expected.items():
        failure = shown.get(key)
        if failure is None:
            found.append(f"{key}: the kubelet counts {pull.attempts} failed pulls, the agent shows nothing")
            continue
        name = f"{failure['pod']}/{failure['container']}"
        if failure["attempts"] != pull.attempts and key[0] not in uncertain:
            found.append(f"{name}: the agent says {failure['attempts']} attempts, the kubelet {pull.attempts}")
        for field, true in (("first_failure", pull.first), ("last_failure", pull.last)):
            seen = _seconds(failure[field])
            if seen is None or abs(seen - true) > TOLERANCE_SECONDS:
                found.append(f"{name}: {field} is {failure[field]}, the kubelet says "
                             f"{datetime.datetime.fromtimestamp(true, datetime.timezone.utc).isoformat()}")
    return found


def failed_pulls(log):
    """
    {registry: failed pulls} in a text of the kubelet's log. The log has them all, also those of deleted pods. It has
    one line for each login that the kubelet tries.
    """
    return collections.Counter(image_names.domain(image) for image in _FAILED_PULL.findall(log))
