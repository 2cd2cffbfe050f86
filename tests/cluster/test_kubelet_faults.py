# SPDX-License-Identifier: Apache-2.0
"""A kubelet that restarts, is killed, and does not answer while pods fail."""

from faults import FaultCase

from case import wait_for

FAILING = ("no-such-tag", "busy", "down")


class KubeletFaults(FaultCase):
    """Each time it starts, it pulls at once, because it has forgotten its back-off, and counts in new Events."""

    def test_nothing_is_lost_or_counted_twice(self):
        team, kubelet = self.namespace(), self.cluster.kubelet
        self.create_failing(team, *FAILING)
        self.eventually_tried(team, 2, *FAILING)
        kubelet.restart()
        self.eventually_tried(team, 3, *FAILING)
        self.assert_nothing_is_lost_or_counted_twice(team, *FAILING)
        kubelet.kill()
        kubelet.start()
        self.eventually_tried(team, 4, *FAILING)
        promises = self.next_retries(team, FAILING)
        kubelet.pause()
        wait_for(lambda: not any(f["next_retry"] for f in self.agent.failures_of(team)), "the back-offs end")
        kubelet.resume()
        self.eventually_tried(team, 5, *FAILING)
        self.assert_next_retries_come_true(promises)
        self.eventually_reported(team, *FAILING)
        self.assert_nothing_is_lost_or_counted_twice(team, *FAILING)
        self.assertEqual({failure["first_failure_exact"] for failure in self.agent.failures_of(team)}, {True})
        for source in ("pods", "events", "cri"):
            self.assertEqual(self.reconnects(source), {})
        self.assertEqual(self.warnings(), [])
