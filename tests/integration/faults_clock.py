# SPDX-License-Identifier: Apache-2.0
"""Wrong clocks: that of the API server, and the times in events. The agent uses its own clock."""

import datetime
import time

import support
from fault_story import FaultStory
from pods import IMAGE, REFUSED, pulled_event

YEARS = 30 * 365 * 86400


class Wrong(FaultStory):
    events = True
    offset = 0

    def setUp(self):
        self.double.control("clock", offset=self.offset)
        super().setUp()

    def wrong_time(self):
        moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.offset)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def record(self, name, count):
        """Record the kubelet's event of a pull, with wrong times."""
        at = self.wrong_time()
        uid = self.double.client().get("pods", name)["metadata"]["uid"]
        self.pods.record(pulled_event(name, uid, f'Failed to pull image "{IMAGE}": {REFUSED}', count=count, first=at,
                                      last=at))

    def check_it_goes_on(self):
        """Failures have the time of the agent's clock, the watch goes on, and a new failure is seen."""
        self.started = time.time()
        self.start()
        self.assert_dated_now()
        self.record("refused", 3)
        support.wait_for(lambda: self.watcher.source("events")["watches_open"] == 1, "events are read")
        support.wait_for(lambda: self.watcher.source("events")["last_success"] is not None, "and there are some")
        self.pods.create_failing("later")
        self.sees("later")
        self.assertEqual(self.watcher.up(), 1)
        paths = [request["path"] for request in self.double.client().requests()]
        self.assertEqual(paths.count("/api/v1/pods"), 1)

    def assert_dated_now(self):
        metrics = self.agent.metrics()
        for sample in metrics.find("imagepull_container_blocked_since_timestamp_seconds"):
            self.assertGreaterEqual(sample.value, self.started - 2, sample.line)
            self.assertLessEqual(sample.value, time.time() + 1, sample.line)


class Ahead(Wrong):
    offset = YEARS

    def test_a_server_that_is_30_years_ahead(self):
        self.check_it_goes_on()
        failure = self.agent.failures()[("refused", "app")]
        self.assertLessEqual(datetime.datetime.fromisoformat(failure["first_failure"]).timestamp(), time.time() + 1)
        self.assertLessEqual(datetime.datetime.fromisoformat(failure["last_failure"]).timestamp(), time.time() + 1)
        self.assert_dated_now()


class Behind(Wrong):
    offset = -YEARS

    def test_a_server_that_is_30_years_behind(self):
        self.check_it_goes_on()


class Jump(Wrong):
    def test_a_clock_that_jumps_while_the_watch_is_open(self):
        self.start()
        self.double.control("clock", offset=YEARS)
        self.double.spoil_streams("end")
        self.eventually_counts("closed")
        self.assert_goes_on()
        self.double.control("clock", offset=-YEARS)
        self.double.spoil_streams("error-event", code=410)
        self.eventually_counts("expired")
        self.eventually_up()
        self.pods.create_failing("at-last")
        self.sees("at-last", "later", "refused", "missing")
