# SPDX-License-Identifier: Apache-2.0
"""The agent reads recorded bytes of a real API server and must show what was true."""

import json
import os
import unittest

import support


class Player:
    """An API server that replays a recording, and an agent that watches it."""

    def __init__(self, folder, arguments):
        temporary = support.Folder()
        unittest.addModuleCleanup(temporary.remove)
        source = os.path.join(support.RECORDINGS, folder)
        with open(os.path.join(source, "expected.json")) as expected:
            self.expected = json.load(expected)
        self.double = support.start_api(unittest, temporary.path, [
            "--replay-pods", os.path.join(source, "pods.watch.pb"),
            "--replay-events", os.path.join(source, "events.watch.pb"), *arguments])
        self.agent = support.start_agent(unittest, ["--node-name=lab-node", *self.double.agent_flags(),
                                                    "--cri.endpoint=unix:///nonexistent/containerd.sock"])


# Until the lists were recorded everything is broken. Then three pods are repaired and one is deleted.
UNTIL_REPAIRS = ("--replay-until", str(support.FACTS["list_version"]))
RECORDINGS = {
    "containerd": ("", (*UNTIL_REPAIRS, "--replay-interval", "0.001")),
    "containerd in small pieces": ("", (*UNTIL_REPAIRS, "--replay-interval", "0", "--chunk", "113")),
    "CRI-O": ("crio", ("--replay-interval", "0.001")),
    "to the end": ("", ("--replay-interval", "0.003")),
}
players = {}


def setUpModule():
    """Start all of them at once: they mostly wait until the agents read events."""
    players.update({name: Player(*recording) for name, recording in RECORDINGS.items()})
    for player in players.values():
        player.agent.wait_ready()


class Replay(unittest.TestCase):
    def setUp(self):
        self.agent = self.expected = None

    def use(self, name):
        self.agent, self.expected = players[name].agent, players[name].expected

    def assert_expected(self, wanted):
        failure = self.agent.failures().get((wanted["pod"], wanted["container"]))
        self.assertIsNotNone(failure, f"{wanted['pod']}/{wanted['container']} is not shown")
        for field, value in wanted.items():
            self.assertEqual(failure[field], value, f"{field} of {wanted['pod']}/{wanted['container']}")
        self.assertIn(failure["state"], ("failing", "backing_off"))

    def check_every_expected_line(self):
        pulling = [w for w in self.expected if "state" in w]
        failing = [w for w in self.expected if "state" not in w]
        self.assertGreater(len(failing), 15)

        def right():
            for wanted in failing:
                self.assert_expected(wanted)

        support.wait_for(right, "every line of expected.json")
        shown = self.agent.failures()
        names = {(w["pod"], w["container"]) for w in failing}
        self.assertEqual(set(shown) - names, set(), "and nothing else fails")
        for wanted in pulling:
            self.assertNotIn((wanted["pod"], wanted["container"]), shown, "no error was ever reported of it")

        def counted():
            blocked = self.agent.metrics().find("imagepull_blocked_containers")
            by_cause = {}
            for sample in blocked:
                by_cause[sample.labels["cause"]] = by_cause.get(sample.labels["cause"], 0) + sample.value
            wanted_causes = [w["cause"] for w in failing]
            self.assertEqual({c: n for c, n in by_cause.items() if n},
                             {c: wanted_causes.count(c) for c in wanted_causes})

        support.wait_for(counted, "the gauges say the same")


    def test_containerd(self):
        self.use("containerd")
        self.check_every_expected_line()

    def test_containerd_in_small_pieces(self):
        self.use("containerd in small pieces")
        self.check_every_expected_line()

    def test_crio(self):
        self.use("CRI-O")
        self.check_every_expected_line()

    def test_repaired_pods_recover_and_deleted_pods_are_gone(self):
        self.use("to the end")
        ends = {"unauth-wrong": "recovered", "unauth-other-registry": "recovered", "notfound-tag": "recovered",
                "ratelimit": "gone"}

        def ended():
            failures = self.agent.failures()
            self.assertEqual({pod: failures[(pod, "app")]["state"] for pod in ends if (pod, "app") in failures}, ends)

        support.wait_for(ended, "the four pods have ended")
        for pod in ends:
            self.assertIsNotNone(self.agent.failures()[(pod, "app")]["ended"])
        metrics = self.agent.metrics()
        self.assertFalse(metrics.value("imagepull_blocked_containers", cause="rate_limited"))
        self.assertEqual([s for s in metrics.find("imagepull_container_blocked_info") if s.labels["pod"] in ends], [])
        still = [w for w in self.expected if w["pod"] not in ends and "state" not in w]

        def right():
            for wanted in still:
                self.assert_expected(wanted)

        support.wait_for(right, "the others still fail")


if __name__ == "__main__":
    unittest.main()
