# SPDX-License-Identifier: Apache-2.0
"""
What is true of a recording, from what the kubelet itself said in it: expected.json, and facts.json with its numbers.
Nothing here uses the agent.
"""

import json
import re

import kube_codec as codec
import registries
from procs import LabError
from recorded_pods import WRONG_PASSWORD, Silent

# The Events of kinds of failures that have no "Failed to pull image".
_NOTHING_IS_PULLED = {"ErrImageNeverPull", "InspectFailed"}


class Evidence:
    """What Events and a status say about one container of a recorded pod."""

    def __init__(self, name, truth, pods, events):
        pod = next(item for item in pods if item["metadata"]["name"] == name)
        self.of_pod = [e for e in events if e["involvedObject"]["uid"] == pod["metadata"]["uid"]]
        groups = {"init": "initContainer", "sidecar": "initContainer"}
        group = groups.get(getattr(truth, "kind", None), "container")
        path = f"spec.{group}s{{{truth.container}}}"
        # A pull of an image volume is an Event of the pod.
        self.events = [e for e in self.of_pod
                       if e["involvedObject"].get("fieldPath") == (None if _of_volume(truth) else path)]
        statuses = pod["status"][group + "Statuses"]
        self.waiting = next(s for s in statuses if s["name"] == truth.container)["state"].get("waiting", {})

    def failures(self):
        """The messages of all Events that say why."""
        return [e["message"] for e in self.events
                if e["reason"] in _NOTHING_IS_PULLED or e["message"].startswith("Failed to pull image")]

    def lost(self):
        """Whether the spam filter dropped an Event: after the last pull there was a back-off, and no failure."""
        pulling = [e for e in self.events if e["reason"] == "Pulling"]
        failed = sum(e["count"] for e in self.events if e["message"].startswith("Failed to pull image"))
        ended = any(back_off["lastTimestamp"] > max(e["lastTimestamp"] for e in pulling)
                    for back_off in self.events if back_off["reason"] == "BackOff")
        return ended and sum(e["count"] for e in pulling) != failed

    def missing_secrets(self):
        found = set()
        for event in self.of_pod:
            if event["reason"] == "FailedToRetrieveImagePullSecret":
                found.update(re.search(r"\((.*)\)", event["message"]).group(1).split(", "))
        return sorted(found)


def _of_volume(truth):
    return getattr(truth, "kind", None) == "image_volume"


def problem(name, truth, evidence):
    """What the kubelet does not say although it should; None if it confirms the truth."""
    who, failures = f"{name}/{truth.container}", evidence.failures()
    if isinstance(truth, Silent):
        if failures or evidence.waiting.get("reason") != "ContainerCreating":
            return f"{who}: no error is expected; its state is {evidence.waiting}, its Events say {failures}"
        return None
    if not failures:
        return f"{who}: no Event says that it fails; its state is {evidence.waiting}"
    if evidence.lost():
        return f"{who}: the kubelet's spam filter has dropped Events about it"
    said = " ".join((evidence.waiting.get("reason", ""), evidence.waiting.get("message", "")))
    # "Back-off pulling image" has the cause of the last failure, and so has each Event about a failure.
    for text in (said, *(message for message in failures if message.startswith("Failed to pull"))):
        if truth.says not in text:
            return f"{who}: the kubelet says '{text}', without '{truth.says}'"
    if (truth.reason == "pull_secret_missing") != bool(evidence.missing_secrets()):
        return f"{who}: missing Secrets in its Events: {evidence.missing_secrets()}"
    return None


def problems(recorded, pods, events):
    return list(filter(None, (problem(pod.name, truth, Evidence(pod.name, truth, pods, events))
                              for pod in recorded for truth in pod.truths)))


def expected(recorded, pods, events):
    """The lines of expected.json."""
    lines = []
    for pod in recorded:
        for truth in pod.truths:
            line = {"pod": pod.name, "container": truth.container}
            lines.append(line)
            if isinstance(truth, Silent):
                line["state"] = "in progress or stalled: no error is ever reported"
                continue
            missing = Evidence(pod.name, truth, pods, events).missing_secrets()
            line.update({key: value for key, value in (
                ("kind", truth.kind if truth.kind != "container" else None), ("image", truth.image),
                ("cause", truth.cause), ("reason", truth.reason), ("missing_pull_secrets", missing)) if value})
    return lines


def write_expected(path, lines):
    with open(path, "w") as out:
        out.write("[\n" + ",\n".join(" " + json.dumps(line) for line in lines) + "\n]\n")


def changes(stream):
    """[(type, message)] of a recorded protobuf watch. An error if it ends within a frame."""
    found = []
    for event_type, body in codec.frames(stream):
        kind, raw = codec.unwrap(body)
        found.append((event_type, codec.MESSAGES[kind].FromString(raw)))
    return found


def same_changes(name, protobuf, lines):
    """Raise an error unless the watch in protobuf and in JSON have the same changes."""
    one = [(kind, m.metadata.name, m.metadata.resourceVersion) for kind, m in changes(protobuf) if kind != "BOOKMARK"]
    two = [(c["type"], c["object"]["metadata"]["name"], c["object"]["metadata"]["resourceVersion"])
           for c in map(json.loads, lines.decode().splitlines()) if c["type"] != "BOOKMARK"]
    if one != two:
        raise LabError(f"{name}: the watch in protobuf has {len(one)} changes, that in JSON {len(two)}, or they differ")


def facts(began, listed, pod_list, watch, expired_watch):
    """The numbers that tests need to know of a recording."""
    (_, expired), = codec.frames(expired_watch)
    message = codec.MESSAGES["Status"].FromString(codec.unwrap(expired)[1]).message
    seen = changes(watch)
    return {"began": began, "listed": listed,
            "list_version": int(pod_list["metadata"]["resourceVersion"]), "pods_listed": len(pod_list["items"]),
            "watch_frames": len(seen), "watch_until": max(int(m.metadata.resourceVersion) for _, m in seen),
            "oldest_version": int(re.search(r"too old resource version: 1 \((\d+)\)", message).group(1))}


def leaked_secret(data, token):
    """Something secret in recorded bytes, or None."""
    for secret in (registries.PASSWORD, WRONG_PASSWORD, token, "eyJhbGciOi", "dockerconfigjson"):
        if secret.encode() in data:
            return secret[:12] + "..."
    return None
