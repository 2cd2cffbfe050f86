# SPDX-License-Identifier: Apache-2.0
"""A healthy node costs the API server one watch, also while pods start."""

import time
import unittest

import side_by_side
import support
from fault_story import FaultStory
from pods import pod, running, waiting

load_tests = side_by_side.load_tests

PODS = 30
# Seconds that a pod takes to start. All of them together take longer than 10 s: by then the agent would have opened the
# events of the namespace.
ONE_BY_ONE = 0.4


class Quiet(FaultStory):
    events = True

    def setUp(self):
        self.pods.delete_all()
        for number in range(PODS):
            self.pods.create(pod(f"old-{number}"), running(), phase="Running")
        self.double.control("requests", "DELETE")

    def start(self):
        self.begin()
        self.agent.wait_ready()

    def assert_one_watch_of_pods(self):
        request, = self.double.client().requests()
        self.assertEqual((request["path"], request["status"]), ("/api/v1/pods", 200))
        self.assertIn(request["query"]["watch"], ("1", "true"))
        self.assertEqual(request["query"]["fieldSelector"], support.POD_SELECTOR.format("lab-node"))
        self.assertEqual(self.watcher.source("events")["watches_open"], 0)

    def roll_out(self, number):
        """A new pod replaces an old one: Pending, ContainerCreating, Running."""
        name = f"new-{number}"
        self.pods.create(pod(name))
        self.pods.report(name, waiting("ContainerCreating"))
        time.sleep(ONE_BY_ONE)
        self.pods.report(name, running(), phase="Running")
        self.pods.delete(f"old-{number}")

    def all_read(self):
        """Wait until the agent has seen the last change."""
        self.pods.create_failing("last")
        self.sees("last")


class Rollout(Quiet):
    def test_a_healthy_rollout_opens_no_watch_of_events(self):
        self.start()
        self.assert_one_watch_of_pods()
        for number in range(PODS):
            self.roll_out(number)
        self.assert_one_watch_of_pods()
        self.assertEqual(self.agent.failures(), {})
        self.assertFalse(self.agent.metrics().value("imagepull_failures_total"))


class Failure(Quiet):
    def test_the_first_failure_opens_only_the_events_of_its_namespace(self):
        self.start()
        self.all_read()
        support.wait_for(lambda: self.watcher.source("events")["watches_open"] == 1, "the events are read")
        paths = {request["path"] for request in self.double.client().requests()}
        self.assertEqual(paths, {"/api/v1/pods", "/api/v1/namespaces/default/events"})


if __name__ == "__main__":
    unittest.main()
