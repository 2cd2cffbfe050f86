# SPDX-License-Identifier: Apache-2.0
"""Duration and size of successful pulls: the agent, compared with the registry, the runtime and the kubelet."""

import json
import re
import time
import unittest

import runtimes
import support
from cri import Cri
from images import marked_image

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

        self.assertEqual(self.value("bytes_total", slow), self.runtime_bytes(slow + "/team/app:v1"))
        counted = self.value("bytes_total", works.host)
        self.assertEqual(counted, self.runtime_bytes(*queued.values()))
        # The registry sent manifests, configs and layers. Both images share a layer: it is in both sizes, but was sent
        # once, or not at all if the sandbox image contains it.
        sent = {**works.bytes_sent("lab/big"), **works.bytes_sent("lab/pause")}
        self.assertGreater(sum(sent.values()), 8 << 20)
        self.assertLess(abs(counted - sum(sent.values())), 2 << 20)

        # An image that is present is not pulled and not counted.
        self.create("again", queued["big"])
        self.eventually_runs("again")
        self.holds_for(POLL + 2, lambda: self.assertEqual(
            [self.value(name, works.host) for name in ("duration_seconds_count", "bytes_total", "attempts_total")],
            [2, counted, 2]))
        self.assertEqual(self.agent.failures(), {})


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
