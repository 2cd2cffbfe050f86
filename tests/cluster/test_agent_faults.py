# SPDX-License-Identifier: Apache-2.0
"""Agents that start or restart while pods fail, and one that is paused."""

import os
import signal

from faults import FaultCase

import truth
from case import wait_for

ANY_RUNTIME = True

PODS = ("no-such-tag", "busy", "down", "refused")  # each has the name of its registry


class WhilePodsFail(FaultCase):
    """
    The kubelet tries at about 0, 10, 30 and 70 s. It writes the Event of an attempt at once, the status ErrImagePull
    about 11 s later, and ImagePullBackOff about 24 s later.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.terminated, cls.killed, cls.paused = (cls.start_agent(name) for name in ("terminated", "killed", "paused"))
        cls.team = cls.namespace()
        cls.create_failing(cls.team, *PODS)
        cls.eventually_tried(cls.team, 1, *PODS)
        os.kill(cls.paused.pid, signal.SIGSTOP)
        cls.eventually_tried(cls.team, 3, *PODS)
        cls.just_after = cls.start_agent("just-after")
        cls.eventually_settled(cls.team, *PODS)
        cls.tried_before = cls.attempts(cls.team)
        cls.terminated.stop()
        cls.kill_agent(cls.killed)
        cls.after_sigterm, cls.after_sigkill = cls.start_agent("after-sigterm"), cls.start_agent("after-sigkill")
        os.kill(cls.paused.pid, signal.SIGCONT)
        cls.eventually_tried(cls.team, 4, *PODS)
        cls.eventually_reported(cls.team, *PODS)
        cls.tried = cls.attempts(cls.team)

    def exact(self, agent):
        return {failure["first_failure_exact"] for failure in agent.failures_of(self.team)}

    def test_an_agent_that_was_there_before_the_pods(self):
        self.assert_true_to_kubelet(self.team)
        self.assert_counted(self.tried)
        self.assertEqual(self.exact(self.agent), {True})

    def test_an_agent_after_a_restart(self):
        for agent in (self.after_sigterm, self.after_sigkill):
            self.assert_true_to_kubelet(self.team, agent)
            self.assert_counted({name: self.tried[name] - self.tried_before[name] for name in PODS}, agent)
            self.assertEqual(self.exact(agent), {False})

    def test_an_agent_that_starts_just_after_an_attempt(self):
        wait_for(lambda: self.assertEqual(truth.differences(self, self.team, self.just_after), []), "agreement", 5)

    def test_a_paused_agent_catches_up(self):
        self.assert_true_to_kubelet(self.team, self.paused)
        self.assert_counted(self.tried, self.paused)
        self.assertEqual(self.exact(self.paused), {True})
