# SPDX-License-Identifier: Apache-2.0
"""The JSON of the debug listener has exactly the keys and types that the documentation promises."""

import json
import re
import unittest

import support
from fault_story import FaultStory
from pods import back_off, pod, pulled_event, running, waiting

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
SANDBOX = ('Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox image "pause.example/pause'
           ':3.10": failed to pull image "pause.example/pause:3.10": dial tcp: lookup pause.example: no such host')
INVALID = ('Failed to apply default image tag "No Name": couldn\'t parse image name "No Name": '
           "invalid reference format: repository name (library/No Name) must be lowercase")


class Either:
    """A value that may be null, or one of some words."""

    def __init__(self, *kinds):
        self.kinds = kinds


class Counts:
    """An object whose values are all counts."""


def words(text):
    return Either(*text.split())


MAYBE_TEXT, MAYBE_TIME, MAYBE_COUNT, MAYBE_BOOL = (Either(None, kind) for kind in (str, TIME, int, bool))
CAUSES = words("unauthorized not_found network rate_limited registry_error bad_image node config unknown")
WAITER = {"namespace": str, "pod": str, "container": str, "image": str}
FAILURE = {
    "namespace": str, "pod": str, "pod_uid": str, "owner": Either(None, {"kind": str, "name": str}), "container": str,
    "kind": words("container init sidecar ephemeral image_volume sandbox"), "image": str, "registry": str,
    "failed_host": MAYBE_TEXT, "failed_role": Either(None, "registry", "mirror", "token_server", "blob_host", "proxy", "dns"),
    "state": words("failing backing_off stalled recovered gone"), "cause": CAUSES, "reason": str,
    "stage": Either(None, "resolve", "auth", "manifest", "blob", "unpack", "local"), "http_status": MAYBE_COUNT,
    "ambiguous_with": [CAUSES], "message": MAYBE_TEXT, "attempts": int, "first_failure": MAYBE_TIME,
    "first_failure_exact": bool, "last_failure": MAYBE_TIME, "next_retry": MAYBE_TIME, "overdue_since": MAYBE_TIME, "pull_secrets": [str],
    "missing_pull_secrets": [str], "image_present": MAYBE_BOOL, "stall": Either(None, {
        "waits_for": words("bytes download_slot answer"), "layer": MAYBE_TEXT, "bytes": int, "total": MAYBE_COUNT,
        "last_progress": MAYBE_TIME, "waiting_behind": [WAITER], "held_by": [WAITER], "ambiguous_with": [str]}),
    "evidence": [{"at": TIME, "source": words("pod_status event cri"), "reason": MAYBE_TEXT, "text": MAYBE_TEXT}],
    "advice": str, "ended": MAYBE_TIME}
FAILURES = {"node": str, "runtime": {"name": MAYBE_TEXT, "version": MAYBE_TEXT}, "left_out": Counts,
            "failures": [FAILURE]}
ANSWERS = {
    "/debug/failures": FAILURES,
    "/debug/failures/default/refused": FAILURES,
    "/debug/sources": {"node": str, "sources": [{
        "source": words("pods events cri"), "state": words("up down off"), "since": MAYBE_TIME, "last_success": MAYBE_TIME,
        "last_error": MAYBE_TEXT, "last_error_at": MAYBE_TIME, "reconnects": Counts, "received_bytes": int,
        "resource_version": MAYBE_TEXT, "watches_open": int, "not_known": MAYBE_TEXT}]},
    "/debug/images": {"node": str, "image_filesystem": Either(None, {
        "mountpoint": str, "used_bytes": MAYBE_COUNT, "used_inodes": MAYBE_COUNT}), "images": [{
            "image": str, "registry": str, "present": bool, "size": MAYBE_COUNT, "digest": MAYBE_TEXT,
            "containers_waiting": int, "containers_pulling": int,
            "phase": Either(None, "kubelet_queue", "slot_queue", "downloading", "unpacking"), "waiting_behind": [str],
            "stalled": bool, "since": MAYBE_TIME, "bytes": MAYBE_COUNT, "total": MAYBE_COUNT}]},
    "/debug/events": {"node": str, "events": [{
        "number": int, "at": TIME, "source": words("pods events cri"), "kind": str, "namespace": MAYBE_TEXT,
        "pod": MAYBE_TEXT, "container": MAYBE_TEXT, "text": MAYBE_TEXT, "effect": words("none opened moved ended")}]},
}


def once(pairs):
    """Refuse an object that contains a key twice."""
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError(f"a key twice in {pairs}")
    return dict(pairs)


def wrong(value, kind, where):
    """A list of sentences: where `value` is not of `kind`."""
    if isinstance(kind, Either):
        return [] if any(not wrong(value, one, where) for one in kind.kinds) else [f"{where} is {value!r}"]
    if isinstance(kind, dict):
        if not isinstance(value, dict) or list(value) != list(kind):
            return [f"{where} has {value!r}"]
        return [each for key in kind for each in wrong(value[key], kind[key], f"{where}.{key}")]
    if kind is Counts:
        return [each for name, count in value.items() for each in wrong(count, int, f"{where}.{name}")]
    if isinstance(kind, list):
        if not isinstance(value, list):
            return [f"{where} is {value!r}"]
        return [each for i, item in enumerate(value) for each in wrong(item, kind[0], f"{where}[{i}]")]
    if isinstance(kind, re.Pattern):
        fits = isinstance(value, str) and kind.fullmatch(value)
    elif isinstance(kind, type):
        fits = type(value) is kind and (kind is not int or 0 <= value < 1 << 53)
    else:
        fits = value == kind
    return [] if fits else [f"{where} is {value!r}"]


class Answers(FaultStory):
    events = True

    def setUp(self):
        super().setUp()
        self.pods.create_failing("over")
        self.pods.create(pod("nameless", image="No Name"), waiting("InvalidImageName", INVALID))
        self.pods.create(pod("begins", initContainers=[{"name": "fetch", "image": "busybox"}], imagePullSecrets=[
            {"name": "regcred"}]), waiting("PodInitializing"),
            initContainerStatuses=[back_off(name="fetch", image="busybox")])
        uid = self.pods.create(pod("boxless"), waiting("ContainerCreating"))
        self.start()
        self.pods.record(pulled_event("boxless", uid, SANDBOX, reason="FailedCreatePodSandBox", field_path=None))
        self.pods.report("over", running(), phase="Running")

        def all_there():
            failures = self.agent.failures()
            self.assertEqual({(f["pod"], f["container"]): f["state"] in ("recovered", "gone") for f in failures.values()},
                             {("refused", "app"): False, ("missing", "app"): False, ("over", "app"): True,
                              ("nameless", "app"): False, ("begins", "fetch"): False, ("boxless", ""): False})

        support.wait_for(all_there, "all six are shown")

    def test_every_answer_has_the_documented_types(self):
        for check in (self.every_answer_has_its_keys_and_types, self.the_special_ones, self.one_pod):
            with self.subTest(check.__name__):
                check()

    def every_answer_has_its_keys_and_types(self):
        for path, kind in ANSWERS.items():
            status, body = self.agent.get(path)
            self.assertEqual((path, status), (path, 200))
            self.assertEqual(wrong(json.loads(body, object_pairs_hook=once), kind, path), [])
            self.assertTrue(body.isascii())

    def the_special_ones(self):
        failures = {pod: failure for (pod, _), failure in self.agent.failures().items()}
        self.assertEqual((failures["boxless"]["kind"], failures["boxless"]["container"]), ("sandbox", ""))
        self.assertEqual((failures["nameless"]["registry"], failures["nameless"]["attempts"]), ("invalid", 1))
        self.assertIsNone(failures["nameless"]["next_retry"])
        self.assertEqual((failures["begins"]["kind"], failures["begins"]["pull_secrets"]), ("init", ["regcred"]))
        self.assertIsNotNone(failures["over"]["ended"])
        self.assertIsNone(failures["refused"]["ended"])

    def one_pod(self):
        for path in ("/debug/failures/default/refused", "/debug/failures/%64efault/re%66used"):
            failures_of_pod = json.loads(self.agent.get(path)[1])["failures"]
            self.assertEqual([f["pod"] for f in failures_of_pod], ["refused"])
        for path, status in (("/debug/failures/default/nobody", 404), ("/debug/failures/default%2Frefused", 404),
                             ("/debug/failures/default/refused/app", 404), ("/debug/failures/default/%GG", 400)):
            answered, body = self.agent.get(path)
            self.assertEqual((path, answered), (path, status))
            self.assertEqual(wrong(json.loads(body), {"error": str}, path), [])


if __name__ == "__main__":
    unittest.main()
