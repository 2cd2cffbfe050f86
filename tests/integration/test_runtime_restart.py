# SPDX-License-Identifier: Apache-2.0
"""A runtime that stops or hangs while it pulls: the agent notices, does not retry in a busy loop, and recovers."""

import json
import os
import signal
import socket
import unittest

import runtimes
import support
from answers import Answers

load_tests = runtimes.on_each_runtime

OUTAGE_SECONDS = 4
# So slow that the pull outlasts the outage, on a slow machine too.
SLOW_BYTES_A_SECOND = 128 << 10
# No stall on a slow machine: one pod gets no bytes from the beginning to the end of the test.
NO_STALL = "--stall-after=24h"


class Outage:
    """The test for each kind of outage. Two pods pull during it: one gets no bytes, the other does."""

    agent_options = (*runtimes.OnARuntime.agent_options, NO_STALL)

    def begin_outage(self):
        raise NotImplementedError

    def end_outage(self):
        raise NotImplementedError

    def test_an_outage_is_noticed_and_ends(self):
        self.create("running", self.lab.open.image("lab/pause", "1"))
        self.eventually_runs("running")
        self.lab.registries.set_pace("slow", SLOW_BYTES_A_SECOND)
        pods = {"silent": self.lab.endpoints["stalls"], "moving": self.lab.endpoints["slow"]}
        for pod, registry in pods.items():
            self.create(pod, registry + "/team/app:v1")
        support.wait_for(lambda: self.assert_pulled_from(*pods.values()), "both are pulled")
        support.wait_for(lambda: self.source_up() == 1, "the runtime answers")

        self.answers = Answers(self, self.agent)
        self.begin_outage()
        self.answers.watch_cost()
        self.answers_until(lambda: self.source_up() == 0, "the outage is noticed")
        self.holds_for(OUTAGE_SECONDS, self.assert_answers_and_knows)
        self.answers.check_cost()

        self.end_outage()
        self.answers.watch_cost()
        self.answers_until(lambda: self.source_up() == 1, "its return is noticed")
        for endpoint in ("stalls", "slow"):
            self.lab.registries.set_pace(endpoint)
        self.eventually_runs(*pods)
        support.wait_for(self.nothing_is_left, "nothing is left of it")
        self.answers.check_cost()

    def assert_pulled_from(self, *registries):
        """One image is pulled from each of these, and no other one."""
        pulled = self.agent.metrics().find("imagepull_in_progress")
        self.assertEqual({s.labels["registry"]: s.value for s in pulled if s.value}, dict.fromkeys(registries, 1),
                         self.agent.failures())

    def source_up(self):
        return self.agent.metrics().value("imagepull_source_up", source="cri")

    def answers_until(self, condition, what):
        """Wait for `condition`. The agent answers all the time."""
        def answers_and_holds():
            self.answers.check()
            return bool(condition())

        support.wait_for(answers_and_holds, what)

    def assert_answers_and_knows(self):
        self.answers.check()
        status, body = self.agent.get("/debug/sources")
        source, = (each for each in json.loads(body)["sources"] if each["source"] == "cri")
        self.assertEqual((status, source["state"]), (200, "down"), body)
        self.assertTrue(source["last_error"])
        # The agent keeps what it knows about the images and blames no registry.
        blocked = self.agent.metrics().find("imagepull_blocked_containers")
        self.assertEqual({s.labels["cause"] for s in blocked if s.value} - {"node"}, set(),
                         self.agent.failures())

    def nothing_is_left(self):
        metrics = self.agent.metrics()
        self.assertFalse(metrics.value("imagepull_blocked_containers"))
        self.assertFalse(metrics.value("imagepull_in_progress"))
        self.assertEqual({f["state"] for f in self.agent.failures().values()} - {"recovered"}, set())


class Restarted(Outage, runtimes.OnARuntime):
    def begin_outage(self):
        self.lab.containerd.take_down()

    def end_outage(self):
        self.lab.containerd.bring_up()


class Killed(Restarted):
    """The socket file remains, but nobody listens."""

    def begin_outage(self):
        self.lab.containerd.take_down(signal.SIGKILL)


class Replaced(Restarted):
    """Another program's socket replaces it for a while: it accepts connections and sends nothing."""

    def begin_outage(self):
        super().begin_outage()
        if os.path.exists(self.lab.containerd.socket):
            os.unlink(self.lab.containerd.socket)
        self.other = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.other.close)
        self.other.bind(self.lab.containerd.socket)
        self.other.listen(64)

    def end_outage(self):
        self.other.close()
        super().end_outage()


class Hanging(Outage, runtimes.OnARuntime):
    def begin_outage(self):
        self.lab.containerd.hang()

    def end_outage(self):
        self.lab.containerd.resume()


if __name__ == "__main__":
    unittest.main()
