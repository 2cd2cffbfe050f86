# SPDX-License-Identifier: Apache-2.0
"""The watch of the events of a namespace fails: no attempt is counted twice."""

import support
from fault_story import FaultStory
from pods import IMAGE, REFUSED, pulled_event


class Events(FaultStory):
    events = True

    def setUp(self):
        super().setUp()
        uid = self.double.client().get("pods", "refused")["metadata"]["uid"]
        self.event = self.pods.record(pulled_event("refused", uid, f'Failed to pull image "{IMAGE}": {REFUSED}',
                                                   count=4))

    def count_up(self):
        """The kubelet tries once more."""
        self.event = self.pods.record({**self.event, "count": self.event["count"] + 1})

    def attempts(self):
        return self.agent.failures()[("refused", "app")]["attempts"]

    def eventually_tried(self, attempts):
        support.wait_for(lambda: self.assertEqual(self.attempts(), attempts), f"{attempts} attempts")

    def counted(self):
        return self.agent.metrics().value("imagepull_failures_total", cause="unauthorized") or 0

    def events_open(self):
        support.wait_for(lambda: self.watcher.source("events")["watches_open"] == 1, "the events are read")

    def spoil(self, name, reason, **options):
        """Spoil the stream once. The facts do not change."""
        before = self.watcher.facts()
        count = self.watcher.reconnects(reason, "events")
        self.double.spoil_streams(name, resource="events", **options)
        support.wait_for(lambda: self.watcher.reconnects(reason, "events") == count + 1, f"{name} is noticed")
        self.events_open()
        support.wait_for(lambda: self.watcher.up("events") == 1, "the events are up")
        self.assertEqual(self.watcher.facts(), before)

    def test_faults_of_the_events_change_no_counter(self):
        self.start()
        self.events_open()
        self.eventually_tried(4)
        counted = self.counted()
        self.count_up()
        self.eventually_tried(5)
        self.assertEqual(self.counted(), counted + 1)

        self.spoil("error-event", "expired", code=410)
        self.count_up()
        self.eventually_tried(6)
        self.spoil("half-frame", "closed")
        before = self.watcher.facts()
        self.double.spoil_streams("repeat", resource="events", count=10)
        self.count_up()
        self.eventually_tried(7)
        self.assertEqual(self.counted(), counted + 3)
        self.assertEqual(self.watcher.facts()[0].keys(), before[0].keys())
        self.spoil("garbage", "malformed")
        self.count_up()
        self.eventually_tried(8)
        self.assertEqual(self.counted(), counted + 4)
        self.assertEqual(self.watcher.up(), 1, "the pods have no part in it")
