# SPDX-License-Identifier: Apache-2.0
"""A runtime that goes away or hangs while it pulls: noticed, not asked in a busy loop, read again when it is back."""

import json
import os
import signal
import socket
import time
import unittest

import runtimes
import support

load_tests = runtimes.on_each_runtime

# While a container waits the runtime is asked every 5 s at the latest, and an answer is waited for 5 s at most.
NOTICED_WITHIN = 15
# The agent tries again after 1, 2, 4, 8 and then every 15 s.
BACK_WITHIN = 25
OUTAGE_SECONDS = 4
ANSWER_SECONDS = 1.0
CPU_SHARE = 0.05  # of one processor, with ten requests a second to answer


class Outage:
    """What is the same for each kind. Two pods pull meanwhile: one in silence, one with moving bytes."""

    def begin_outage(self):
        raise NotImplementedError

    def end_outage(self):
        raise NotImplementedError

    def test_noticed_survived_and_read_again(self):
        self.create("running", self.lab.open.image("lab/pause", "1"))
        self.eventually_runs("running")
        self.lab.set_pace("slow", 512 << 10)
        pods = {"silent": self.lab.endpoints["stalls"], "moving": self.lab.endpoints["slow"]}
        for pod, registry in pods.items():
            self.create(pod, registry + "/team/app:v1")
        support.eventually(lambda: self.agent.metrics().value("imagepull_in_progress") == 2, "both are pulled", 10)
        self.assertEqual(self.source_up(), 1)

        self.begin_outage()
        begun, used = time.monotonic(), self.agent.cpu_seconds()
        self.answers_until(lambda: self.source_up() == 0, NOTICED_WITHIN, "the outage is noticed")
        self.holds_for(OUTAGE_SECONDS, self.assert_answers_and_knows)
        share = (self.agent.cpu_seconds() - used) / (time.monotonic() - begun)
        self.assertLess(share, CPU_SHARE)

        self.end_outage()
        begun, used = time.monotonic(), self.agent.cpu_seconds()
        self.answers_until(lambda: self.source_up() == 1, BACK_WITHIN, "its return is noticed")
        for endpoint in ("stalls", "slow"):
            self.lab.set_pace(endpoint)
        self.eventually_runs(*pods, seconds=30)
        support.eventually(self.nothing_is_left, "nothing is left of it", 15)
        share = (self.agent.cpu_seconds() - used) / (time.monotonic() - begun)
        self.assertLess(share, CPU_SHARE)

    def source_up(self):
        return self.agent.metrics().value("imagepull_source_up", source="cri")

    def answers_until(self, condition, seconds, what):
        deadline = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), deadline, f"not within {seconds} s: {what}")
            self.assert_answers()
            time.sleep(0.1)

    def assert_answers(self):
        """Every kind of answer, each in time. The probes do not depend on the runtime."""
        for path, address in (("/metrics", self.agent.web), ("/-/healthy", self.agent.web),
                              ("/-/ready", self.agent.web), ("/debug/failures", self.agent.debug),
                              ("/debug/images", self.agent.debug), ("/", self.agent.debug)):
            begun = time.monotonic()
            status, _ = self.agent.get(path, address)
            self.assertEqual(status, 200, path)
            self.assertLess(time.monotonic() - begun, ANSWER_SECONDS, path)

    def assert_answers_and_knows(self):
        self.assert_answers()
        status, body = self.agent.get("/debug/sources")
        source, = (each for each in json.loads(body)["sources"] if each["source"] == "cri")
        self.assertEqual((status, source["state"]), (200, "down"), body)
        self.assertTrue(source["last_error"])
        # What was known of the pods' images is not forgotten, nor made a failure of the registry.
        blocked = self.agent.metrics().find("imagepull_blocked_containers")
        self.assertEqual({s.labels["cause"] for s in blocked if s.value} - {"node"}, set())

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
    """Its socket stays behind, and nobody listens on it."""

    def begin_outage(self):
        self.lab.containerd.take_down(signal.SIGKILL)


class Replaced(Restarted):
    """Somebody else's socket is there for a while: it takes connections and says nothing."""

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
