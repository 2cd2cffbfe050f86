# SPDX-License-Identifier: Apache-2.0
"""A container runtime that restarts, is killed, and does not answer while pods fail and while a good pull runs."""

import collections
import signal

from faults import FaultCase, require

from case import wait_for

FAILING = ("no-such-tag", "busy")


class RuntimeFaults(FaultCase):
    def eventually_says(self, namespace, reason, times, *pods):
        """Wait until the kubelet's Events with this reason count so many about each of the pods."""
        wait_for(lambda: self.require_events(namespace, reason, times, *pods), f"{reason} {times} times")

    def require_events(self, namespace, reason, times, *pods):
        counts = collections.Counter()
        for event in self.api.list("events", namespace):
            if event["reason"] == reason:
                counts[event["involvedObject"]["name"]] += event["count"]
        require(all(counts[pod] >= times for pod in pods), f"{reason}: {counts}")

    def eventually_gives_up(self, namespace, *pods):
        """
        Wait until the kubelet has found out about each of the pods that it cannot ask the runtime for the image, or
        looks at no pod any more: it stops when the runtime does not answer for 30 s.
        """
        def gave_up():
            if "container runtime is down" in self.cluster.kubelet.log():
                return
            self.require_events(namespace, "InspectFailed", 1, *pods)

        wait_for(gave_up, "the kubelet gives up")

    def test_nothing_is_lost_or_counted_twice(self):
        team, containerd = self.namespace(), self.cluster.containerd
        self.cluster.registries.set_pace("slow", 0)
        self.create_failing(team, *FAILING)
        self.create_pod(team, "slow", self.bad("slow"))
        self.create_pod(team, "works", self.works())
        self.eventually_tried(team, 2, *FAILING)
        self.eventually_runs(team, "works")
        self.assertIsNone(self.failure(team, "slow"))

        containerd.restart()
        self.eventually_shown(team, "slow", cause="node", reason="runtime_unavailable", attempts=1)
        self.eventually_says(team, "Pulling", 2, "slow")

        containerd.take_down(signal.SIGKILL)
        self.eventually_down("cri", "containerd.sock")
        self.eventually_gives_up(team, *FAILING)  # it does not try to pull
        containerd.bring_up()
        self.eventually_up()
        self.eventually_says(team, "Pulling", 3, "slow")

        containerd.hang()
        self.eventually_down("cri", "")
        containerd.resume()
        self.eventually_up()

        self.cluster.registries.set_pace("slow")
        self.eventually_runs(team, "slow")
        self.eventually_shown(team, "slow", state="recovered", attempts=2)
        self.eventually_settled(team, *FAILING)
        self.assert_nothing_is_lost_or_counted_twice(team, *FAILING, "slow")
        for source in ("pods", "events"):
            self.assertEqual(self.reconnects(source), {})
        self.assertLessEqual(set(self.reconnects("cri")), {"closed", "network"})
        warnings = self.warnings()
        self.assertTrue(any("containerd.sock" in line for line in warnings), warnings)
        for line in warnings:
            self.assertRegex(line, r"component=cri .*; retrying in \d+s")
