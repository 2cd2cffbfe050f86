#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Describes Kubernetes JSON (a list, or watch events one a line) as the unit tests describe
observations, one line each: the other half of tests/unit/kube_story.c, written without it.

    describe.py < pods.list.json > pods.list.expected
"""
import calendar
import json
import sys
import time


def digest(text):
    """FNV-1a: long texts are compared, not repeated."""
    value = 2166136261
    for byte in text.encode():
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return f"{len(text.encode())}:{value:08x}"


def seconds(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ")) if text else 0


def container(kind, spec, statuses):
    status = next((s for s in statuses if s["name"] == spec["name"]), None)
    state = (status or {}).get("state", {})
    phase = "unknown" if status is None else next(iter(state), "waiting")
    waiting = state.get("waiting", {})
    return "|".join([
        spec["name"], kind, spec["image"], spec.get("imagePullPolicy", ""), phase,
        waiting.get("reason", ""), digest(waiting.get("message", "")),
    ])


def pod(meta, obj):
    spec, status = obj["spec"], obj["status"]
    notes = meta.get("annotations", {})
    mirror = notes.get("kubernetes.io/config.hash", "") if "kubernetes.io/config.mirror" in notes else ""
    yield (f"{meta['namespace']}/{meta['name']} uid={meta['uid']} mirror={mirror} "
           f"phase={status.get('phase', '')} deleting={int('deletionTimestamp' in meta)} "
           f"created={seconds(meta['creationTimestamp'])}")
    for owner in meta.get("ownerReferences", []):
        if owner.get("controller"):
            yield f"owner={owner['kind']}/{owner['name']}"
    if "pod-template-hash" in meta.get("labels", {}):
        yield f"template={meta['labels']['pod-template-hash']}"
    for secret in spec.get("imagePullSecrets", []):
        yield f"secret={secret['name']}"
    for volume in spec.get("volumes", []):
        if "image" in volume:
            yield f"volume={volume['image']['reference']}"
    for each in spec.get("initContainers", []):
        kind = "sidecar" if each.get("restartPolicy") == "Always" else "init"
        yield container(kind, each, status.get("initContainerStatuses", []))
    for each in spec["containers"]:
        yield container("container", each, status.get("containerStatuses", []))
    for each in spec.get("ephemeralContainers", []):
        yield container("ephemeral", each, status.get("ephemeralContainerStatuses", []))


def event(meta, obj):
    about = obj["involvedObject"]
    first = seconds(obj["firstTimestamp"]) or seconds(meta["creationTimestamp"])
    yield (f"{meta['namespace']}/{about['name']} uid={meta['uid']} pod={about.get('uid', '')} "
           f"at={about.get('fieldPath', '')} reason={obj['reason']} count={obj.get('count', 1)} "
           f"first={first} last={seconds(obj['lastTimestamp'])} {digest(obj['message'])}")


def describe(kind, obj, is_pod):
    if is_pod:
        return " ".join([kind, *pod(obj["metadata"], obj)])
    return " ".join(["EVENT", *event(obj["metadata"], obj)])


def has_ended(obj):
    """The agent reads nothing more of such a pod: not in a list, and in a watch it is gone."""
    return obj.get("status", {}).get("phase") in ("Succeeded", "Failed")


def main():
    text = sys.stdin.read()
    try:
        whole = json.loads(text)
    except ValueError:
        whole = None
    if whole is not None:
        is_pod = whole["kind"] in ("PodList", "List") and "spec" in whole["items"][0]
        lines = [describe("POD", item, is_pod) for item in whole["items"] if not (is_pod and has_ended(item))]
        if is_pod:
            lines = ["PODS_BEGIN", *lines, "PODS_END"]
    else:
        lines, gone = [], set()
        for line in filter(None, map(str.strip, text.splitlines())):
            change = json.loads(line)
            is_pod = change["object"]["kind"] == "Pod"
            if change["type"] == "BOOKMARK" or (change["type"] == "DELETED" and not is_pod):
                continue
            over = change["type"] == "DELETED" or (is_pod and has_ended(change["object"]))
            uid = change["object"]["metadata"]["uid"]
            if not (over and uid in gone):
                lines.append(describe("DELETED" if over else "POD", change["object"], is_pod))
            if over:
                gone.add(uid)
    print("\n".join(lines))


main()
