# SPDX-License-Identifier: Apache-2.0
"""An open watch fails: the agent keeps its state, logs what happened and goes on."""

from fault_story import FaultStory

# Memory that comes and goes: buffers of TLS and HTTP/2, and the allocator's own caches. Each of these floods, if the
# agent kept it, would need more.
FLAT = 4 << 20


class Breaks(FaultStory):
    def test_a_connection_that_breaks_off_within_a_frame(self):
        self.start()
        self.double.spoil_streams("half-frame")
        self.eventually_counts("closed")
        self.assert_goes_on()
        self.assertEqual(self.watcher.log_lines("level=warn"), [], "to reconnect is nothing to worry about")

    def test_a_stream_that_ends_cleanly_within_a_frame(self):
        self.start()
        self.double.spoil_streams("half-end")
        self.eventually_counts("closed")
        self.assert_goes_on()

    def test_a_stream_that_is_reset(self):
        self.start()
        self.double.spoil_streams("reset")
        self.eventually_counts("closed")
        self.assert_goes_on()


class Nonsense(FaultStory):
    def test_garbage_in_place_of_a_frame(self):
        self.start()
        self.spoil_until_down("garbage", "malformed", "watch")
        self.assert_goes_on()
        self.assert_said_once()

    def test_a_frame_of_2_gigabytes(self):
        self.start()
        before = self.agent.anonymous_bytes()
        self.spoil_until_down("huge-frame", "malformed", "2147483647 bytes")
        self.assert_goes_on()
        self.assert_said_once("2147483647 bytes")
        self.assertEqual(self.agent.metrics().value("imagepull_limit_hits_total", limit="watch_frame"),
                         self.watcher.reconnects("malformed"))
        self.assertLess(self.agent.anonymous_bytes() - before, FLAT)


class ErrorEvents(FaultStory):
    def test_an_expired_version_as_an_event(self):
        self.start()
        self.double.spoil_streams("error-event", code=410)
        self.eventually_counts("expired")
        self.assert_goes_on()

    def test_another_error_as_an_event(self):
        self.start()
        self.spoil_until_down("error-event", "refused", "500", "the lab answers", code=500)
        self.assert_goes_on()
        self.assert_said_once("500")

    def test_an_error_event_with_retry_after(self):
        self.start()
        self.double.spoil_streams("error-event", code=429, retry_after=3)
        self.eventually_counts("refused")
        self.assert_goes_on()
        first, second = self.double.client().requests()
        self.assertGreaterEqual(second["time"] - first["time"], 3)
        self.assert_said_once("429")

    def test_a_version_from_the_future_leads_to_a_new_list(self):
        self.start()
        self.double.spoil_streams("error-event", code=504)
        self.eventually_counts("refused")
        self.assert_goes_on()
        self.assertEqual(self.double.client().requests()[-1]["query"]["sendInitialEvents"], "true")


class Floods(FaultStory):
    def received(self):
        return self.agent.metrics().value("imagepull_source_received_bytes_total", source="pods")

    def test_a_storm_of_bookmarks(self):
        self.start()
        before = self.agent.anonymous_bytes()
        received = self.received()
        self.double.spoil_streams("bookmarks", count=300000)
        self.assert_goes_on()
        self.assertGreater(self.received() - received, 5 << 20)
        self.assertLess(self.agent.anonymous_bytes() - before, FLAT)
        self.assertEqual(len(self.double.client().requests()), 1)

    def test_changes_that_come_twice_or_out_of_order(self):
        self.start()
        received = self.received()
        self.double.spoil_streams("repeat", count=6)
        self.pods.create_failing("last")
        self.sees("last")
        self.assertGreater(self.received() - received, 2000)
        self.pods.delete("last")
        failures, counters = self.watcher.facts()
        self.assertEqual({key: failures.get(key) for key in self.before[0]}, self.before[0])
