# SPDX-License-Identifier: Apache-2.0
"""
What the kubelet itself says about failed pulls: its Events, the status of its pods, and its log. The agent must say the
same.
"""

import collections
import datetime
import re
import time

import image_names
import kubelet_log

# The kubelet's Events have whole seconds; the agent sees a status a moment later than it was made.
TOLERANCE_SECONDS = 2.5
# The kubelet's log has an attempt a moment after its Event, on a busy machine a few seconds. Attempts are 10 s apart.
SAME_ATTEMPT_SECONDS = 6

_FAILED_PULL = re.compile(r'"PullImage from image service failed" .* image="([^"]*)"$', re.M)
_EVENT_MESSAGE = re.compile(r'Failed to pull image "([^"]*)"')
_FIELD_PATH = re.compile(r"spec\.(?:initContainers|containers|ephemeralContainers)\{(.+)\}")
_OPEN = ("failing", "backing_off")
_NO_PULL = ("never_pull", "invalid_reference")  # the kubelet refuses these itself


def _seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if text else None


def _text(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat()


class Pull:
    """
    The failed pulls of one image for one container, or for one image volume. `back_off_ends` is None if it is not
    known. `late`: for so many seconds nothing but the kubelet's log told the last attempt. `logged_late`: the log has
    the last attempt so many seconds after its Event.
    """

    def __init__(self):
        self.attempts, self.first, self.last = 0, None, None
        self.back_off_ends, self.late, self.logged_late = None, 0, 0

    def add(self, attempts, first, last):
        self.attempts += attempts
        self.first = min(filter(None, (self.first, first)))
        self.last = max(filter(None, (self.last, last)))

    def complete(self, logged):
        """Take the numbers of the log if it has more: the kubelet sends 25 Events about a pod, then one in 5 min."""
        self.back_off_ends = logged.back_off_ends
        if len(logged.attempts) > self.attempts:
            self.attempts = len(logged.attempts)
        if not logged.attempts:
            return
        if logged.attempts[-1] > self.last + SAME_ATTEMPT_SECONDS:
            self.last = logged.attempts[-1]
            self.late = max(0, (logged.reported() or 0) - self.last)
        else:
            self.logged_late = max(0, logged.attempts[-1] - self.last)

    def is_last(self, seconds):
        return seconds is not None and -TOLERANCE_SECONDS <= seconds - self.last <= TOLERANCE_SECONDS + self.late

    def is_next(self, seconds, now):
        """`seconds` None: there is no next attempt, or it is due."""
        if self.back_off_ends is None:
            return True
        if seconds is None:
            return now >= self.back_off_ends - self.logged_late - TOLERANCE_SECONDS
        return (-TOLERANCE_SECONDS - self.logged_late <= seconds - self.back_off_ends
                <= TOLERANCE_SECONDS + self.late)


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
    found, logged = pulls(case.api, namespace), kubelet_log.failures(case.cluster.kubelet.log())
    images = collections.Counter((uid, container) for uid, container, _ in found)
    for (uid, container, _), pull in found.items():
        if images[uid, container] == 1 and (uid, container) in logged:
            pull.complete(logged[uid, container])
    return found


def _key(failure):
    container = "" if failure["kind"] == "image_volume" else failure["container"]
    return failure["pod_uid"], container, failure["image"]


def differences(case, namespace, agent, uids=None):
    """
    Sentences about what the agent says of a namespace and the kubelet does not. Empty: they agree. `uids`: only of
    these pods.
    """
    return [sentence for sentences in differences_by_pod(case, namespace, agent, uids).values()
            for sentence in sentences]


def differences_by_pod(case, namespace, agent, uids=None):
    """{pod uid: sentences} of each pod about which they do not agree."""
    asked, answer = time.time(), agent.failures_of(namespace)
    kubelet = {key: pull for key, pull in expected(case, namespace).items() if uids is None or key[0] in uids}
    shown = [f for f in answer if f["kind"] != "sandbox" and f["state"] != "stalled" and f["reason"] not in _NO_PULL
             and (uids is None or f["pod_uid"] in uids)]
    keys, found = {_key(failure) for failure in shown}, collections.defaultdict(list)
    for key, pull in kubelet.items():
        if key not in keys:
            found[key[0]].append(f"{key}: the kubelet counts {pull.attempts} failed pulls, the agent shows nothing")
    for failure in shown:
        pull, sentences = kubelet.get(_key(failure)), []
        if pull is None:
            sentences.append(f"{failure['pod']}/{failure['container']}: the agent says {failure['attempts']} attempts "
                             f"of {failure['image']}, the kubelet none")
        else:
            sentences = _differences(failure, pull, asked)
        if sentences:
            found[failure["pod_uid"]] += sentences
    return found


def _differences(failure, pull, asked):
    """About one container, at the time `asked`."""
    first, last, next_retry = (_seconds(failure[field]) for field in ("first_failure", "last_failure", "next_retry"))
    over = failure["state"] not in _OPEN
    rows = [("attempts", pull.attempts, failure["attempts"] == pull.attempts),
            ("first_failure", _text(pull.first), first is not None and abs(first - pull.first) <= TOLERANCE_SECONDS),
            ("last_failure", _text(pull.last), pull.is_last(last)),
            ("next_retry", "none" if over or pull.back_off_ends is None else _text(pull.back_off_ends),
             next_retry is None if over else pull.is_next(next_retry, asked))]
    return [f"{failure['pod']}/{failure['container']}: {field} is {failure[field]}, the kubelet says {true}"
            for field, true, right in rows if not right]


def promises(namespace, agent):
    """{pod: the kubelet_log.Promise of its next attempt} of each pod that fails; None: there is no next_retry now."""
    return {f["pod"]: f["next_retry"] and kubelet_log.Promise(f, _seconds(f["last_failure"]), _seconds(f["next_retry"]))
            for f in agent.failures_of(namespace) if f["state"] in _OPEN and f["reason"] not in _NO_PULL}
