# SPDX-License-Identifier: Apache-2.0
"""Agents that start or restart while pods fail, and one that is paused."""

import os
import signal
import unittest

from case import OnACluster, wait_for

import truth

PODS = ("no-such-tag", "busy", "down", "refused")  # each has the name of its registry


class WhilePodsFail(OnACluster):
    """
    The kubelet tries at about 0, 10, 30 and 70 s. It writes the Event of an attempt at once, the status ErrImagePull
    about 11 s later, and ImagePullBackOff about 24 s later.
    """

    # One after the other, as is the default, the pulls would wait for each other.
    cluster_options = {"kubelet_settings": {"serializeImagePulls": False}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        story = cls()
        cls.terminated, cls.killed, cls.paused = (cls.start_agent(name) for name in ("terminated", "killed", "paused"))
        cls.team = story.namespace()
        for name in PODS:
            story.create_pod(cls.team, name, story.bad(name))
        story.eventually_tried(1)
        os.kill(cls.paused.pid, signal.SIGSTOP)
        story.eventually_tried(3)
        cls.just_after = cls.start_agent("just-after")
        story.eventually_settled()
        cls.tried_before = story.attempts()
        cls.terminated.stop()
        cls.kill_agent(cls.killed)
        cls.after_sigterm, cls.after_sigkill = cls.start_agent("after-sigterm"), cls.start_agent("after-sigkill")
        os.kill(cls.paused.pid, signal.SIGCONT)
        story.eventually_tried(4)
        story.eventually_reported()
        cls.tried = story.attempts()

    def attempts(self):
        """{pod: attempts} as the kubelet's Events count them."""
        names = {pod["metadata"]["uid"]: pod["metadata"]["name"] for pod in self.api.list("pods", self.team)}
        return {names[uid]: pull.attempts for (uid, _), pull in truth.pulls(self.api, self.team).items()}

    def eventually_tried(self, attempts):
        def tried():
            counts = self.attempts()
            self.assertEqual({name for name in PODS if counts.get(name, 0) >= attempts}, set(PODS))

        wait_for(tried, f"{attempts} attempts")

    def reasons(self):
        """{pod: why its container waits}"""
        return {pod["metadata"]["name"]: status["state"]["waiting"]["reason"]
                for pod in self.api.list("pods", self.team) for status in pod["status"]["containerStatuses"]}

    def eventually_reported(self):
        """The status of each pod has shown an attempt since now."""
        seen = set()

        def reported():
            seen.update(name for name, reason in self.reasons().items() if reason == "ErrImagePull")
            self.assertEqual(seen, set(PODS))

        wait_for(reported, "ErrImagePull in the status")

    def eventually_settled(self):
        """The same, and all are in back-off again: nothing is on its way."""
        self.eventually_reported()
        wait_for(lambda: self.assertEqual(set(self.reasons().values()), {"ImagePullBackOff"}), "back-off")

    def assert_counted(self, agent, before):
        """Its counters have the attempts since it started, and no older ones. `before`: {pod: attempts}"""
        metrics = agent.metrics()
        counted = {name: metrics.value("imagepull_failures_total", registry=self.cluster.endpoints[name])
                   for name in PODS}
        self.assertEqual(counted, {name: self.tried[name] - before.get(name, 0) for name in PODS})

    def exact(self, agent):
        return {failure["first_failure_exact"] for failure in agent.failures_of(self.team)}

    def test_an_agent_that_was_there_before_the_pods(self):
        self.assert_true_to_kubelet(self.team)
        self.assert_counted(self.agent, {})
        self.assertEqual(self.exact(self.agent), {True})

    def test_an_agent_after_a_restart(self):
        for agent in (self.after_sigterm, self.after_sigkill):
            self.assert_true_to_kubelet(self.team, agent)
            self.assert_counted(agent, self.tried_before)
            self.assertEqual(self.exact(agent), {False})

    @unittest.expectedFailure
    def test_an_agent_that_starts_just_after_an_attempt(self):
        """The Event that it lists has the attempt already. It counts the status of the same attempt as another one."""
        wait_for(lambda: self.assertEqual(truth.differences(self, self.team, self.just_after), []), "agreement", 5)

    def test_a_paused_agent_catches_up(self):
        self.assert_true_to_kubelet(self.team, self.paused)
        self.assert_counted(self.paused, {})
        self.assertEqual(self.exact(self.paused), {True})
