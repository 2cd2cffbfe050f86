# SPDX-License-Identifier: Apache-2.0
"""Pulls that stall, and slow pulls that do not."""

import json
import time
import unittest

import runtimes
import support
from endpoints import PACES, STALLING_LAYER_BYTES
from images import Image, digest_of, marked_layer

load_tests = runtimes.on_each_runtime

STALL_AFTER = 10
# The longest time between two polls of the runtime while a container waits.
POLL = 5
# A false alarm would come within this time.
NO_ALARM = STALL_AFTER + POLL + 2
# The runtime writes a layer in pieces of 1 MiB. At this rate a piece comes well within STALL_AFTER.
SLOW_BYTES_A_SECOND = 256 << 10
MEBIBYTE = 1 << 20
IN_FLIGHT = PACES["stalls"][0] // MEBIBYTE * MEBIBYTE


class OnARuntimeThatStalls(runtimes.OnARuntime):
    agent_options = (*runtimes.OnARuntime.agent_options, f"--stall-after={STALL_AFTER}s")

    def assert_no_incident(self):
        self.assertEqual(self.agent.failures(), {})
        self.assertFalse(self.agent.metrics().value("imagepull_blocked_containers"))

    def in_progress(self, registry):
        return self.agent.metrics().value("imagepull_in_progress", registry=registry) or 0

    def bytes_in_flight(self, registry):
        return self.agent.metrics().value("imagepull_in_progress_bytes", registry=registry) or 0

    def eventually_in_progress(self, registry, number):
        support.wait_for(lambda: self.in_progress(registry) == number,
                         f"{number} pulls from {registry} are in progress")


class Stalls(OnARuntimeThatStalls):
    """Three pods wait for one layer: two names of one image, and another image that shares the layer."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        stalls, shares = cls.lab.endpoints["stalls"], cls.lab.endpoints["shares-layer"]
        cls.images = {"owner": stalls + "/team/app:v1", "same-layers": stalls + "/other/app:v2",
                      "one-layer": shares + "/third/app:v3"}
        with open(cls.lab.path("pause"), "rb") as program:
            layer, = Image([marked_layer(program.read(), "stalls", STALLING_LAYER_BYTES)]).layers
        cls.layer, cls.layer_bytes = digest_of(layer), len(layer)
        cls.without = cls.start_agent("without", "--stall-after=off")

    def all_stalled(self):
        """The failures of one answer in which all pods are stalled: a slow machine does not find them at once."""
        found = {f["pod"]: f for f in self.agent.failures_of("default") if f["state"] == "stalled"}
        self.assertEqual(set(found), set(self.images))
        return found

    def test_a_stall_is_found_and_recovers(self):
        # A healthy image, before and during the stall.
        self.create("healthy", self.lab.open.image("lab/pause", "1"))
        begun = time.time()
        self.create("owner", self.images["owner"])
        self.eventually_in_progress(self.lab.endpoints["stalls"], 1)
        for pod in ("same-layers", "one-layer"):
            self.create(pod, self.images[pod])
        support.wait_for(lambda: self.bytes_in_flight(self.lab.endpoints["stalls"]) == IN_FLIGHT, "no more bytes come")
        found = support.wait_for(self.all_stalled, "all three are stalled")
        found_at = time.time()
        self.assertGreaterEqual(found_at - begun, STALL_AFTER)

        self.check_incidents(found, begun, found_at)
        with self.subTest("metrics"):
            self.check_metrics()
        with self.subTest("switched off"):
            support.wait_for(self.check_agent_without, "it knows the pulls")
        self.create("later", self.lab.open.image("lab/big", "1"))
        self.eventually_runs("healthy", "later")
        self.assertEqual({pod for pod, _ in self.agent.failures()}, set(self.images))

        self.lab.registries.set_pace("stalls")
        self.eventually_runs(*self.images)
        for pod in self.images:
            ended = self.eventually_shown(pod, state="recovered", reason="pull_stalled")
            self.assertIsNotNone(ended["ended"])
        self.check_metrics_after()

    def check_incidents(self, found, begun, found_at):
        for pod, failure in found.items():
            with self.subTest(pod=pod):
                self.assertEqual((failure["cause"], failure["reason"], failure["image"]),
                                 ("network", "pull_stalled", self.images[pod]))
                stall = failure["stall"]
                self.assertEqual((stall["layer"], stall["bytes"], stall["total"]),
                                 (self.layer, IN_FLIGHT, self.layer_bytes))
                self.assertLess(begun - 1, runtimes.seconds_of(stall["last_progress"]))
                self.assertLessEqual(runtimes.seconds_of(stall["last_progress"]), found_at - STALL_AFTER + 0.01)
                behind = {(each["namespace"], each["pod"], each["container"]) for each in stall["waiting_behind"]}
                self.assertEqual(behind, {("default", other, "app") for other in self.images if other != pod})
                self.assertFalse(failure["image_present"])
                self.assertTrue(failure["advice"])

    def check_metrics(self):
        blocked = self.agent.metrics().find("imagepull_blocked_containers", reason="pull_stalled", cause="network")
        self.assertEqual({s.labels["registry"]: s.value for s in blocked if s.value},
                         {self.lab.endpoints["stalls"]: 2, self.lab.endpoints["shares-layer"]: 1})
        # One layer is in flight, however many images wait for it.
        self.assertEqual(self.bytes_in_flight(self.lab.endpoints["stalls"]), IN_FLIGHT)

    def check_agent_without(self):
        """The agent with --stall-after=off does not ask for bytes and reports no stall, but shows pulls in progress."""
        self.assertEqual(self.without.failures(), {})
        metrics = self.without.metrics()
        self.assertEqual(metrics.value("imagepull_in_progress"), len(self.images))
        self.assertEqual(metrics.find("imagepull_in_progress_bytes"), [])
        self.assertFalse(metrics.value("imagepull_cri_request_duration_seconds_count", method="ListStatuses"))

    def check_metrics_after(self):
        def over():
            metrics = self.agent.metrics()
            self.assertFalse(metrics.value("imagepull_blocked_containers"))
            self.assertFalse(metrics.value("imagepull_in_progress"))
            self.assertFalse(metrics.value("imagepull_in_progress_bytes"))
            # A slow machine can stall once more after the registry goes on. Each recovery is counted once.
            recovered = [f for f in self.agent.failures_of("default") if f["reason"] == "pull_stalled"]
            self.assertEqual({f["pod"] for f in recovered if f["state"] == "recovered"}, set(self.images))
            self.assertEqual(metrics.value("imagepull_recovery_seconds_count", cause="network"), len(recovered))

        support.wait_for(over, "no metric tells of a stall any more")


class OneByOne(OnARuntimeThatStalls):
    """serializeImagePulls, the default of the kubelet."""

    lab_options = {"kubelet_arguments": ["--serialize-image-pulls"]}

    def test_slow_and_queued_pulls_are_not_stalls(self):
        works = self.lab.open.image("lab/pause", "1")
        self.create("runs-for-long", self.lab.open.image("lab/big", "1"),
                    initContainers=[{"name": "migrate", "image": works}])
        support.wait_for(lambda: "running" in self.init_state("runs-for-long"), "the init container runs")
        self.lab.registries.set_pace("slow", SLOW_BYTES_A_SECOND)
        begun = time.time()
        self.create("slow", self.lab.endpoints["slow"] + "/team/app:v1")
        self.eventually_in_progress(self.lab.endpoints["slow"], 1)
        since = self.agent.metrics().value("imagepull_in_progress_oldest_timestamp_seconds",
                                           registry=self.lab.endpoints["slow"])
        self.assertTrue(begun - 1 <= since <= time.time(), (begun, since))
        self.create("queued", self.lab.endpoints["shares-layer"] + "/team/app:v1")
        support.wait_for(self.check_queue, "the kubelet has not reached the second image")

        self.holds_for(NO_ALARM, self.assert_no_incident)
        self.check_queue()
        self.assertEqual([self.phase(pod) for pod in ("slow", "queued", "runs-for-long")], ["Pending"] * 3)
        # The init container runs and its image is present: nothing is pulled for this pod.
        self.assertEqual(self.in_progress(self.lab.open.host), 0)
        support.wait_for(lambda: (self.agent.metrics().value("imagepull_in_progress_bytes") or 0) > 4 * MEBIBYTE,
                         "bytes come in")

        self.lab.registries.set_pace("slow")
        self.eventually_runs("slow", "queued")
        self.assert_no_incident()

    def check_queue(self):
        """Only the slow image is pulled. The other one waits in the kubelet, behind it."""
        images = {i["registry"]: i for i in json.loads(self.agent.get("/debug/images")[1])["images"]}
        self.assertIn(self.lab.endpoints["shares-layer"], images)
        slow, queued = (images[self.lab.endpoints[name]] for name in ("slow", "shares-layer"))
        self.assertEqual((slow["phase"], slow["containers_pulling"]), ("downloading", 1))
        self.assertEqual((queued["phase"], queued["containers_waiting"], queued["containers_pulling"]),
                         ("kubelet_queue", 1, 0))
        self.assertEqual(queued["waiting_behind"], [slow["image"]])
        self.assertEqual(self.in_progress(self.lab.endpoints["shares-layer"]), 0)

    def init_state(self, pod):
        statuses = self.lab.api.get("pods", pod)["status"].get("initContainerStatuses") or [{"state": {}}]
        return statuses[0]["state"]


class QueuedBehindAStall(OnARuntimeThatStalls):
    lab_options = OneByOne.lab_options

    def test_a_pull_queued_behind_a_stall_is_not_shown(self):
        """The queued pod waits for the kubelet, not for the registry."""
        self.create("stalled", self.lab.endpoints["stalls"] + "/team/app:v1")
        self.eventually_in_progress(self.lab.endpoints["stalls"], 1)
        self.create("queued", self.lab.open.image("lab/big", "1"))
        self.eventually_shown("stalled", state="stalled", reason="pull_stalled")

        def alone():
            self.assertEqual({pod for pod, _ in self.agent.failures()}, {"stalled"})

        self.holds_for(POLL + 2, alone)
        self.lab.registries.set_pace("stalls")
        self.eventually_runs("stalled", "queued")
        self.eventually_shown("stalled", state="recovered")
        alone()


class AnOlderImageIsThere(OnARuntimeThatStalls):
    """imagePullPolicy Always, and the tag moved: the runtime reports the old image as present."""

    def test_a_pull_of_a_newer_image_can_stall(self):
        older, image = self.lab.open.image("lab/pause", "1"), self.lab.endpoints["stalls"] + "/team/app:v1"
        self.create("healthy", older)
        self.eventually_runs("healthy")
        self.lab.containerd.ctr("images", "tag", older, image)
        self.create_spec("again", {"containers": [{"name": "app", "image": image, "imagePullPolicy": "Always"}]})
        self.eventually_in_progress(self.lab.endpoints["stalls"], 1)
        found = self.eventually_shown("again", state="stalled", reason="pull_stalled")
        self.assertTrue(found["image_present"])

        self.lab.registries.set_pace("stalls")
        self.eventually_runs("again")
        self.eventually_shown("again", state="recovered")


class Unpacking(OnARuntimeThatStalls):
    def test_slow_unpacking_is_not_a_stall(self):
        registry = self.lab.endpoints["slow"]
        self.lab.registries.set_pace("slow", SLOW_BYTES_A_SECOND)
        self.create("big", registry + "/team/app:v1")
        self.eventually_in_progress(registry, 1)
        # Until the agent has seen bytes: of a download between two polls it sees nothing.
        support.wait_for(lambda: self.bytes_in_flight(registry) > 0, "bytes are in flight")
        # Not earlier, because containerd 2.x also unpacks the image of the sandbox.
        self.lab.containerd.hold_unpacking()
        self.lab.registries.set_pace("slow")
        support.wait_for(lambda: not self.lab.containerd.ctr("content", "active").splitlines()[1:],
                         "all layers have arrived")
        self.holds_for(NO_ALARM, self.assert_no_incident)
        self.assertEqual((self.phase("big"), self.in_progress(registry)), ("Pending", 1))
        self.lab.containerd.let_unpack()
        self.eventually_runs("big")
        self.assert_no_incident()

    def test_a_download_between_two_polls_is_no_silent_registry(self):
        """A small image comes at once and is unpacked for long: as a rule, no poll sees a blob of it."""
        self.create("first", self.lab.open.image("lab/pause", "1"))
        self.eventually_runs("first")
        self.lab.containerd.hold_unpacking()
        self.create("unseen", self.lab.open.image("lab/big", "1"))
        self.holds_for(NO_ALARM, self.assert_no_incident)
        self.assertEqual(self.phase("unseen"), "Pending")
        self.lab.containerd.let_unpack()
        self.eventually_runs("unseen")
        self.assert_no_incident()


if __name__ == "__main__":
    unittest.main()
