# SPDX-License-Identifier: Apache-2.0
"""The base of the tests of a misbehaving API server: failures are open, something goes wrong, no failure is lost."""

import json
import unittest

import support
from pods import NOT_FOUND, Pods

NO_RUNTIME = "--cri.endpoint=unix:///nonexistent/containerd.sock"
OPEN = ("failing", "backing_off")


class Watcher:
    """An agent without a runtime, and the state of its source `pods`."""

    def __init__(self, test, flags, events=False):
        self.agent = support.start_agent(test, ["--node-name=lab-node", NO_RUNTIME, *flags,
                                                f"--kube.events={'on' if events else 'off'}"])

    def source(self, name="pods"):
        sources = json.loads(self.agent.get("/debug/sources")[1])["sources"]
        return next(source for source in sources if source["source"] == name)

    def up(self, name="pods"):
        return self.agent.metrics().value("imagepull_source_up", source=name)

    def reconnects(self, reason, name="pods"):
        return self.agent.metrics().value("imagepull_source_reconnects_total", source=name, reason=reason) or 0

    def facts(self):
        """Every failure and every counter of pulls. They must not change while no pod changes."""
        failures = {(f["namespace"], f["pod"], f["pod_uid"], f["container"]):
                    {field: f[field] for field in ("state", "cause", "reason", "attempts", "first_failure")}
                    for f in json.loads(self.agent.get("/debug/failures")[1])["failures"]}
        metrics = self.agent.metrics()
        counters = [s.line for name in ("imagepull_failures_total", "imagepull_attempts_total",
                                        "imagepull_failure_reasons_total", "imagepull_blocked_containers",
                                        "imagepull_container_blocked_since_timestamp_seconds")
                    for s in metrics.find(name)]
        return failures, counters

    def log_lines(self, *words, component="pods"):
        """The log lines of a component, at info and above, that contain all the words."""
        return [line for line in self.agent.log().splitlines()
                if f"component={component}" in line and all(word in line for word in words)]


class FaultStory(unittest.TestCase):
    """Each class has a double, each test an agent that knows two failures."""

    double_options = ()
    events = False

    @classmethod
    def setUpClass(cls):
        cls.double = support.start_api(cls, arguments=cls.double_options)
        cls.pods = Pods(cls.double.client())

    def setUp(self):
        self.pods.delete_all()
        self.double.clear_faults()
        self.pods.create_failing("refused")
        self.pods.create_failing("missing", NOT_FOUND)
        self.double.control("requests", "DELETE")

    def flags(self):
        return self.double.agent_flags()

    def begin(self):
        self.watcher = Watcher(self, self.flags(), self.events)
        self.agent = self.watcher.agent

    def start(self):
        """Start the agent and wait until it has read everything. The facts of this moment must hold at the end."""
        self.begin()
        self.agent.wait_ready()
        self.sees("refused", "missing")
        self.before = self.watcher.facts()

    def sees(self, *pods):
        def seen():
            failures = self.agent.failures()
            for pod in pods:
                self.assertIn((pod, "app"), failures, self.agent.log())
                self.assertIn(failures[(pod, "app")]["state"], OPEN)

        support.wait_for(seen, f"{pods} are shown")

    def eventually_counts(self, reason, count=1):
        def counted():
            self.assertGreaterEqual(self.watcher.reconnects(reason), count, self.agent.log())

        support.wait_for(counted, f"a reconnect because of '{reason}'")

    def eventually_down(self, *words):
        """Wait until the source is down. Its last error contains the words."""
        def reported():
            source = self.watcher.source()
            self.assertEqual((self.watcher.up(), source["state"]), (0, "down"))
            for word in words:
                self.assertIn(word, source["last_error"])

        support.wait_for(reported, "the source is down")

    def spoil_until_down(self, name, reason, *words, **options):
        """Spoil the open stream and all new ones until the source is down. Then the server works again."""
        self.double.fault(name, verb="watch", times=0, **options)
        self.double.spoil_streams(name, **options)
        self.eventually_counts(reason)
        self.eventually_down(*words)
        self.double.clear_faults()

    def eventually_up(self):
        def reported():
            self.assertEqual((self.watcher.up(), self.watcher.source()["state"]), (1, "up"), self.agent.log())
            self.assertEqual(self.watcher.source()["watches_open"], 1)

        support.wait_for(reported, "the source is up")

    def assert_nothing_changed(self):
        self.assertEqual(self.watcher.facts(), self.before)

    def assert_goes_on(self):
        """The source recovers: nothing is lost, nothing is counted twice, and a new failure is seen."""
        self.eventually_up()
        self.assert_nothing_changed()
        self.pods.create_failing("later")
        self.sees("later")
        failures, _ = self.watcher.facts()
        self.assertEqual({key: failures.get(key) for key in self.before[0]}, self.before[0])
        self.assertEqual(len(failures), len(self.before[0]) + 1)

    def assert_said_once(self, *words):
        """The log has one line for the failure and one for the recovery, however many attempts failed."""
        self.assertEqual(len(self.watcher.log_lines("retrying", *words)), 1, self.agent.log())
        self.assertEqual(len(self.watcher.log_lines("works again")), 1, self.agent.log())
