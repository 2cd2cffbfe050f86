# SPDX-License-Identifier: Apache-2.0
"""Answers that start no watch: refusals, delays, another format, old servers."""

from fault_story import FaultStory


class Answers(FaultStory):
    def start_and_end_the_watch(self, fault, **options):
        """End the watch. The next request of the agent fails."""
        self.start()
        self.double.fault(fault, **options)
        self.double.spoil_streams("end")
        self.eventually_counts("closed")

    def fail_until_down(self, fault, reason, *words, count=1, **options):
        """End the watch. All requests fail until the source is down. Then the server works again."""
        self.start_and_end_the_watch(fault, times=0, **options)
        self.eventually_counts(reason, count)
        self.eventually_down(*words)
        self.double.clear_faults()

    def requests(self):
        return self.double.client().requests()

    def assert_waited(self, seconds):
        """The agent waits so long between a refusal and its next request."""
        _, *requests = self.requests()
        self.assertEqual({request["fault"] for request in requests[:-1]}, {"status"})
        for refused, after in zip(requests, requests[1:]):
            self.assertGreaterEqual(after["time"] - refused["time"], seconds)


class Refusals(Answers):
    def test_410_as_a_status(self):
        self.start_and_end_the_watch("status", code=410)
        self.eventually_counts("expired")
        self.assert_goes_on()
        self.assertEqual(self.watcher.log_lines("level=warn"), [], "an old version is nothing to worry about")
        self.assertEqual([r["status"] for r in self.requests()], [200, 410, 200])
        self.assertEqual(self.requests()[-1]["query"]["sendInitialEvents"], "true")

    def test_429_with_retry_after(self):
        self.fail_until_down("status", "refused", "429", code=429, retry_after=4)
        self.assert_goes_on()
        self.assert_waited(4)
        self.assert_said_once("429")

    def test_503_with_retry_after(self):
        self.fail_until_down("status", "refused", "503", code=503, retry_after=4)
        self.assert_goes_on()
        self.assert_waited(4)
        self.assert_said_once("503")


class Failures(Answers):
    def test_500_several_times(self):
        self.fail_until_down("status", "refused", "500", "the lab answers", count=2, code=500)
        self.assert_goes_on()
        self.assert_said_once("500")

    def test_json_although_protobuf_was_asked_for(self):
        self.fail_until_down("json", "malformed", "application/json")
        self.assert_goes_on()
        self.assert_said_once("application/json")


class Tokens(Answers):
    def test_a_token_that_expires_before_its_file_is_renewed(self):
        self.start()
        token = self.double.expire_token()
        self.double.spoil_streams("end")
        self.eventually_counts("refused")
        self.eventually_down("401")
        self.double.write_token(token)
        self.assert_goes_on()
        self.assert_said_once("401")

    def test_a_token_that_is_renewed_in_time(self):
        self.start()
        self.double.rotate_token()
        self.double.spoil_streams("end")
        self.eventually_counts("closed")
        self.assert_goes_on()
        self.assertEqual({r["status"] for r in self.requests()}, {200})


class Beginnings(FaultStory):
    """The very first request fails."""

    def test_a_byte_at_a_time(self):
        self.double.fault("slow", size=1, pause=0)
        self.start()
        self.assert_goes_on()
        self.assertEqual(len(self.double.client().requests()), 1)

    def test_a_server_without_streaming_lists(self):
        self.double.fault("no-streaming", times=0)
        self.start()
        self.assert_goes_on()
        refused, listed, watched = self.double.client().requests()
        self.assertEqual((refused["status"], listed["status"], watched["status"]), (422, 200, 200))
        # The list comes from the server's cache, where it costs little. The watch starts at its version.
        self.assertEqual(listed["query"]["resourceVersion"], "0")
        self.assertNotIn("watch", listed["query"])
        self.assertNotIn("sendInitialEvents", watched["query"])
        self.assertEqual(self.watcher.log_lines("level=warn"), [], "an old server is no failure")

    def test_410_of_a_server_without_streaming_lists(self):
        self.double.fault("no-streaming", times=0)
        self.start()
        self.double.spoil_streams("error-event", code=410)
        self.eventually_counts("expired")
        self.assert_goes_on()
        listed = self.double.client().requests()[-2]
        # The list no longer comes from the cache, which was too old. It comes in pages.
        self.assertNotIn("resourceVersion", listed["query"])
        self.assertGreater(int(listed["query"]["limit"]), 0)

    def test_a_server_that_fails_when_the_agent_starts(self):
        self.double.fault("status", code=503)
        self.start()
        self.assert_goes_on()
        self.assert_said_once("503")
        self.assertEqual(self.watcher.reconnects("refused"), 1)
