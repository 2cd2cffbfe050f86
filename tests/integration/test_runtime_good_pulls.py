# SPDX-License-Identifier: Apache-2.0
"""Duration and size of successful pulls: the agent, compared with the registry, the runtime and the kubelet."""

import json
import re
import time
import unittest

import runtimes
import support
from cri import Cri
from images import Image, marked_image, marked_layer

load_tests = runtimes.on_each_runtime

# While a container waits, the agent polls the runtime after 1 s at first, then at least every 5 s. It cannot see a pull
# that begins and ends between two polls, so the first pull here stands still until the agent has seen all of them.
POLL = 5
STAND_STILL = 2 * POLL
_TOOK = re.compile(r'^Successfully pulled image "[^"]*" in [\d.]+m?s \(([\d.]+)(m?s) including waiting\)')


class GoodPulls(runtimes.OnARuntime):
    lab_options = {"kubelet_arguments": ["--serialize-image-pulls"]}
    agent_options = (*runtimes.OnARuntime.agent_options, "--stall-after=24h")

    def value(self, name, registry):
        return self.agent.metrics().value("imagepull_" + name, registry=registry) or 0

    def kubelet_seconds(self, pod):
        """The duration of the pull in the kubelet's event, including the time in the queue."""
        events = (e["message"] for e in self.lab.api.list("events") if e["involvedObject"]["name"] == pod)
        number, unit = next(match.groups() for match in map(_TOOK.match, events) if match)
        return float(number) / (1000 if unit == "ms" else 1)

    def runtime_bytes(self, *images):
        runtime = Cri(self.lab.containerd.socket)
        try:
            return sum(runtime.image(image).size for image in images)
        finally:
            runtime.close()

    def eventually_value(self, name, registry, number):
        support.wait_for(lambda: self.value(name, registry) == number, f"{name} of {registry} is {number}")

    def queued_in_kubelet(self):
        images = json.loads(self.agent.get("/debug/images")[1])["images"]
        return {image["image"] for image in images if image["phase"] == "kubelet_queue"}

    def assert_phases(self, stood_still, *registries):
        """One image was downloaded while two waited for the kubelet. A change shows in the next poll."""
        phases = {s.labels["phase"]: s.value for s in self.agent.metrics().find("imagepull_phase_seconds_total")}
        took = sum(self.value("duration_seconds_sum", registry) for registry in registries)
        self.assertEqual(set(phases), {"kubelet_queue", "slot_queue", "downloading", "unpacking"})
        self.assertGreater(phases["downloading"], stood_still - POLL)
        self.assertGreater(phases["kubelet_queue"], 2 * (stood_still - POLL))
        self.assertEqual(phases["slot_queue"], 0)
        self.assertLess(sum(phases.values()), took + 0.1)
        by_size = self.agent.metrics().value("imagepull_size_duration_seconds_sum", size="up_to_100MB")
        self.assertAlmostEqual(by_size, took, places=3)

    def test_durations_and_sizes_match_kubelet_runtime_and_registry(self):
        slow, works = self.lab.endpoints["slow"], self.lab.open
        self.lab.registries.set_pace("slow", 0)
        created = time.monotonic()
        self.create("slow", slow + "/team/app:v1")
        self.eventually_value("in_progress", slow, 1)
        queued = {"big": works.image("lab/big", "1"), "small": works.image("lab/pause", "1")}
        for pod, image in queued.items():
            self.create(pod, image)
        support.wait_for(lambda: self.queued_in_kubelet() == set(queued.values()), "both wait for their turn")
        self.assertEqual(self.value("in_progress", works.host), 0)
        seen = time.monotonic()
        time.sleep(STAND_STILL)
        stood_still = time.monotonic() - seen
        self.lab.registries.set_pace("slow")
        self.eventually_runs("slow", *queued)

        self.eventually_value("duration_seconds_count", slow, 1)
        self.eventually_value("duration_seconds_count", works.host, 2)
        longest = time.monotonic() - created
        for registry, pods in ((slow, ["slow"]), (works.host, list(queued))):
            # Every pull began before `seen` and ended after it had stood still, and no pull is longer than this test.
            for source, seconds in (("agent", self.value("duration_seconds_sum", registry)),
                                    ("kubelet", sum(map(self.kubelet_seconds, pods)))):
                self.assertGreater(seconds, len(pods) * stood_still - 0.01, source)
                self.assertLess(seconds, len(pods) * longest, source)
            self.assertEqual(self.value("in_progress", registry), 0)

        self.assert_phases(stood_still, slow, works.host)
        self.eventually_value("bytes_total", slow, self.runtime_bytes(slow + "/team/app:v1"))
        # The registry sent manifests, configs and layers. Both images share a layer: it is sent once, or not at all if
        # the sandbox image contains it.
        sent = sum({**works.bytes_sent("lab/big"), **works.bytes_sent("lab/pause")}.values())
        self.assertGreater(sent, 8 << 20)
        self.eventually_value("bytes_total", works.host, sent)

        # An image that is present is not pulled and not counted.
        self.create("again", queued["big"])
        self.eventually_runs("again")
        self.holds_for(POLL + 2, lambda: self.assertEqual(
            [self.value(name, works.host) for name in ("duration_seconds_count", "bytes_total", "attempts_total")],
            [2, sent, 2]))
        self.assertEqual(self.agent.failures(), {})


class FetchedBytes(runtimes.OnARuntime):
    """imagepull_bytes_total, compared with the log of the registry."""

    def setUp(self):
        self.registry = self.lab.open
        with open(self.lab.path("pause"), "rb") as program:
            self.program = program.read()

    def counted(self):
        return self.agent.metrics().value("imagepull_bytes_total", registry=self.registry.host) or 0

    def sent(self, *repositories):
        return sum(sum(self.registry.bytes_sent(repository).values()) for repository in repositories)

    def run_image(self, pod, image, **container):
        self.create_spec(pod, {"containers": [{"name": "app", "image": image, **container}]})
        self.eventually_runs(pod)

    def eventually_counted(self, before, number):
        support.wait_for(lambda: self.assertEqual(self.counted() - before, number), f"{number} bytes are counted")
        self.holds_for(POLL + 2, lambda: self.assertEqual(self.counted() - before, number))

    def test_layers_that_are_there_are_not_counted_again(self):
        before = self.counted()
        layers = [marked_layer(self.program, "first", 3 << 20), marked_layer(self.program, "second")]
        self.registry.push(Image(layers), "bytes/first", "1")
        self.run_image("first", self.registry.image("bytes/first", "1"))
        self.assertGreater(self.sent("bytes/first"), 3 << 20)
        self.eventually_counted(before, self.sent("bytes/first"))

        # The same image under another name: at most its manifest and its configuration are fetched.
        self.registry.push(Image(layers), "bytes/copy", "1")
        self.run_image("copy", self.registry.image("bytes/copy", "1"))
        self.assertLess(self.sent("bytes/copy"), 10000)
        self.eventually_counted(before, self.sent("bytes/first", "bytes/copy"))

        # Another image of the same layers, and one small layer.
        self.registry.push(Image([*layers, {"small": b"x"}]), "bytes/third", "1")
        self.run_image("third", self.registry.image("bytes/third", "1"))
        self.eventually_counted(before, self.sent("bytes/first", "bytes/copy", "bytes/third"))

    def test_images_pulled_at_the_same_time_are_counted_once(self):
        before = self.counted()
        shared = marked_layer(self.program, "shared", 5 << 20)
        repositories = [f"bytes/together-{n}" for n in range(4)]
        for repository in repositories:
            self.registry.push(Image([shared, {"name": repository.encode()}]), repository, "1")
        for n, repository in enumerate(repositories):
            self.create(f"together-{n}", self.registry.image(repository, "1"))
        self.eventually_runs(*(f"together-{n}" for n in range(4)))
        self.eventually_counted(before, self.sent(*repositories))

    def test_tag_that_moved_is_counted_for_an_image_that_is_always_pulled(self):
        before = self.counted()
        image = self.registry.image("bytes/moves", "latest")
        for n in range(2):
            self.registry.push(marked_image(self.program, f"moves {n}", 1 << 20), "bytes/moves", "latest")
            self.run_image(f"moves-{n}", image, imagePullPolicy="Always")
        self.assertGreater(self.sent("bytes/moves"), 2 << 20)
        self.eventually_counted(before, self.sent("bytes/moves"))

    def test_image_that_was_pulled_by_hand_is_not_counted(self):
        self.registry.push(marked_image(self.program, "by hand", 1 << 20), "bytes/by-hand", "1")
        runtime = Cri(self.lab.containerd.socket)
        try:
            runtime.pull(self.registry.image("bytes/by-hand", "1"))
        finally:
            runtime.close()
        time.sleep(2 * POLL)
        before = self.counted()
        self.run_image("by-hand", self.registry.image("bytes/by-hand", "1"), imagePullPolicy="Always")
        self.eventually_counted(before, 0)

    def test_restarted_agent_counts_what_comes_after_its_start(self):
        slow = self.lab.endpoints["slow"]
        self.lab.registries.set_pace("slow", 0)
        self.create("slow", slow + "/team/app:v1")
        support.wait_for(lambda: self.agent.metrics().value("imagepull_in_progress", registry=slow) == 1, "it is pulled")
        time.sleep(POLL)
        other = self.start_agent("restarted", *self.agent_options)
        self.lab.registries.set_pace("slow")
        self.eventually_runs("slow")
        runtime = Cri(self.lab.containerd.socket)
        try:
            size = runtime.image(slow + "/team/app:v1").size
        finally:
            runtime.close()
        support.wait_for(lambda: self.agent.metrics().value("imagepull_bytes_total", registry=slow) == size, "all of it")
        # All but the manifest and the configuration, which had come.

        def counted():
            layers = other.metrics().value("imagepull_bytes_total", registry=slow)
            self.assertTrue(size - 10000 < layers < size, (size, layers))

        support.wait_for(counted, "the layers")
        self.holds_for(POLL + 2, counted)


class LateTag(runtimes.OnARuntime):
    def test_time_in_back_off_is_recovery_time_not_pull_duration(self):
        self.create("late", self.lab.open.image("lab/late", "1"))
        self.eventually_shown("late", cause="not_found")
        with open(self.lab.path("pause"), "rb") as program:
            self.lab.open.push(marked_image(program.read(), "late"), "lab/late", "1")
        self.eventually_runs("late")
        self.eventually_shown("late", state="recovered")
        metrics = self.agent.metrics()
        self.assertEqual(metrics.value("imagepull_recovery_seconds_count", cause="not_found"), 1)
        # Nothing reports when the last of several attempts began.
        self.assertFalse(metrics.value("imagepull_duration_seconds_count", registry=self.lab.open.host))


if __name__ == "__main__":
    unittest.main()
