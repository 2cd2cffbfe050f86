# SPDX-License-Identifier: Apache-2.0
"""
The agent with CRI-O, which has no content service, and with a CRI-O that misbehaves. The runtime is a
double. The tests of a class share an API server; the classes run side by side.
"""

import json
import os
import socket
import time
import unittest

import side_by_side
import support  # must come first: it makes the modules of the lab importable
from crio_story import IMAGES, VERSION, CrioStory
from pods import REFUSED, REGISTRY, back_off, pod, running, waiting

load_tests = side_by_side.load_tests

SIZE = 123456789
POLL = 5  # s; the longest time between two polls of the runtime while a container waits
LIVENESS = 30  # s; and while no container waits
LIST_SECONDS = 5  # the deadline of a list
EVERY_METHOD = ("Version", "Status", "ImageStatus", "ImageFsInfo", "ListPodSandbox", "ListContainers", "ListStatuses",
                "List", "unknown")
CONTENT_SERVICE = ("ListStatuses", "List", "unknown")
# The status codes of gRPC, except OK.
CODES = {1: "Canceled", 2: "Unknown", 3: "InvalidArgument", 4: "DeadlineExceeded", 5: "NotFound", 6: "AlreadyExists",
         7: "PermissionDenied", 8: "ResourceExhausted", 9: "FailedPrecondition", 10: "Aborted", 11: "OutOfRange",
         12: "Unimplemented", 13: "Internal", 14: "Unavailable", 15: "DataLoss", 16: "Unauthenticated"}


class Healthy(CrioStory):
    options = ("--stall-after=1s",)

    def assert_no_blob_in_flight(self):
        metrics = self.agent.metrics()
        self.assertNotIn("imagepull_in_progress_bytes{", metrics.text)
        self.assertFalse(metrics.value("imagepull_blocked_containers"))
        self.assertEqual(self.agent.failures(), {})
        source = self.source()
        self.assertEqual((source["state"], source["last_error"]), ("up", None))
        self.assertEqual(metrics.find("imagepull_cri_request_errors_total"), [])

    def test_a_good_pull_from_begin_to_end(self):
        self.assertEqual(json.loads(self.agent.get("/debug/failures")[1])["runtime"],
                         {"name": "cri-o", "version": VERSION})
        self.assertEqual(self.metric("runtime_info", runtime="cri-o", version=VERSION), 1)
        began = time.time()
        uid = self.create_waiting("web")
        self.crio.tell("sandbox", uid)
        support.wait_for(lambda: self.metric("in_progress", registry=REGISTRY) == 1, "the pull is in progress")
        oldest = self.metric("in_progress_oldest_timestamp_seconds", registry=REGISTRY)
        self.assertTrue(began - 0.01 <= oldest <= time.time(), (began, oldest))
        self.holds_for(POLL + 2, self.assert_no_blob_in_flight)
        self.assertEqual(self.metric("in_progress_oldest_timestamp_seconds", registry=REGISTRY), oldest)
        image, = json.loads(self.agent.get("/debug/images")[1])["images"]
        self.assertEqual((image["present"], image["containers_pulling"]), (False, 1))

        self.crio.tell("image", "present", SIZE)
        support.wait_for(lambda: self.metric("attempts_total", registry=REGISTRY) == 1, "the pull's end")
        took = time.time() - began
        self.assertIsNone(self.metric("bytes_total", registry=REGISTRY))
        self.assertEqual(self.metric("duration_seconds_count", registry=REGISTRY), 1)
        self.assertGreater(self.metric("duration_seconds_sum", registry=REGISTRY), POLL)
        self.assertLessEqual(self.metric("duration_seconds_sum", registry=REGISTRY), took)
        self.assertIsNone(self.metric("in_progress", registry=REGISTRY))
        self.assertIsNone(self.metric("in_progress_oldest_timestamp_seconds", registry=REGISTRY))
        self.assert_no_blob_in_flight()
        self.assertEqual([self.crio.calls(method) for method in CONTENT_SERVICE], [0, 0, 0])

    def test_the_image_filesystem_of_crio_is_not_shown(self):
        """CRI-O measures the folder of the manifests, not that of the layers."""
        fs = json.loads(self.agent.get("/debug/images")[1])["image_filesystem"]
        self.assertEqual(fs, {"mountpoint": IMAGES, "used_bytes": None, "used_inodes": None})


class Recovery(CrioStory):
    def test_a_created_container_recovers_before_its_status_changes(self):
        uid = self.pods.create(pod("web"), waiting("ErrImagePull", REFUSED))
        self.pods.report("web", back_off())
        self.crio.tell("sandbox", uid)
        support.wait_for(lambda: self.agent.failures()[("web", "app")]["state"] == "backing_off", "it fails")
        self.holds_for(POLL, lambda: self.assertEqual(self.agent.failures()[("web", "app")]["state"], "backing_off"))
        self.assertGreater(self.crio.calls("ListContainers"), 1)

        self.crio.tell("image", "present", SIZE)
        self.crio.tell("container", uid, "app")
        support.wait_for(lambda: self.agent.failures()[("web", "app")]["state"] == "recovered", "it recovers")
        failure = self.agent.failures()[("web", "app")]
        self.assertEqual((failure["cause"], failure["image_present"]), ("unauthorized", True))
        self.assertEqual([e["source"] for e in failure["evidence"]][-1], "cri", failure["evidence"])
        self.assertEqual(self.metric("recovery_seconds_count", cause="unauthorized"), 1)
        self.assertFalse(self.metric("blocked_containers"))

        self.pods.report("web", running(), phase="Running")
        support.wait_for(lambda: self.metric("attempts_total", registry=REGISTRY) == 2, "the pull that went well")
        self.holds_for(1, lambda: self.assertEqual(self.metric("recovery_seconds_count", cause="unauthorized"), 1))


class Idle(CrioStory):
    def before_the_agent(self):
        self.pods.create(pod("old"), running(), phase="Running")

    def test_an_idle_runtime_is_only_checked_for_liveness(self):
        self.answers.watch_cost()
        support.wait_for(lambda: self.crio.calls("Version") == 2, "the second liveness check")
        self.assertGreater(time.monotonic() - self.started, LIVENESS - 5)
        support.wait_for(lambda: self.crio.calls("ImageFsInfo") == 2, "the last of its three calls")
        self.assertEqual({method: self.crio.calls(method) for method in EVERY_METHOD},
                         {**dict.fromkeys(EVERY_METHOD, 0), "Version": 2, "Status": 2, "ImageFsInfo": 2})
        support.wait_for(lambda: self.metric("cri_request_duration_seconds_count", method="ImageFsInfo") == 2,
                         "it is counted")
        self.assertEqual(self.metric("cri_request_duration_seconds_count"), 6)
        self.assertEqual((self.up(), self.source()["last_error"]), (1, None))
        self.assertEqual(sum(self.source()["reconnects"].values()), 0)
        self.answers.check_cost()


class EachStatus:
    """The sixteen statuses are in four classes, which run side by side."""

    codes = ()

    def test_each_status_takes_the_source_down_and_is_counted(self):
        self.answers.watch_cost()
        for number, (code, name) in enumerate((code, CODES[code]) for code in self.codes):
            with self.subTest(code=name):
                self.one_refusal(code, name)
                self.assert_logged(number + 1)
        self.answers.check_cost()

    def one_refusal(self, code, name):
        with self.agent_stopped():
            before = self.crio.calls("ImageStatus")
            self.crio.tell("refuse", "all", code)
        self.one_more_waits()
        self.goes_down(name)
        self.answers_until(lambda: self.errors("Version", name) > 0, "the agent reconnects")
        # One call, unless the poll began with the regular call of Version.
        self.assertEqual(self.errors("ImageStatus", name), self.crio.calls("ImageStatus") - before)
        self.crio.tell("serve", "all")
        self.comes_back()


class RefusalsFrom1(EachStatus, CrioStory):
    codes = (1, 2, 3, 4)


class RefusalsFrom5(EachStatus, CrioStory):
    codes = (5, 6, 7, 8)


class RefusalsFrom9(EachStatus, CrioStory):
    codes = (9, 10, 11, 12)


class RefusalsFrom13(EachStatus, CrioStory):
    codes = (13, 14, 15, 16)


class Silence(CrioStory):
    def test_a_list_that_is_not_answered(self):
        self.answers.watch_cost()
        self.crio.tell("hang", "ListContainers")
        self.one_more_waits()
        self.goes_down("ListContainers", "no answer within 5000 ms")
        self.crio.tell("serve", "all")
        self.comes_back()
        # One or, if this test is slow, several calls failed. The agent reconnected after each.
        self.assertGreaterEqual(self.errors("ListContainers", "DeadlineExceeded"), 1)
        self.assertEqual(self.source()["reconnects"]["network"], self.errors("ListContainers", "DeadlineExceeded"))
        self.assert_logged(1)
        self.answers.check_cost()

    def test_nothing_is_answered(self):
        self.answers.watch_cost()
        self.crio.tell("hang", "all")
        self.one_more_waits()
        # One missed answer is no outage: the agent asks again, with a new connection, and misses that answer, too.
        self.goes_down("no answer within 2000 ms")
        missed = sum(self.errors(call, "DeadlineExceeded") for call in ("ImageStatus", "Version"))
        self.assertGreaterEqual(missed, 2)
        self.answers_until(lambda: self.errors("Version", "DeadlineExceeded") >= 1, "the agent tries again")
        self.assertEqual(self.up(), 0)
        self.crio.tell("serve", "all")
        self.comes_back()
        self.assert_logged(1)
        self.answers.check_cost()


class Stop(CrioStory):
    def test_the_agent_stops_while_a_call_is_open(self):
        self.crio.tell("hang", "ListContainers")
        self.one_more_waits()
        support.wait_for(lambda: self.crio.calls("ListContainers") >= 1, "the call is open")
        status, seconds = self.agent.stop()
        self.assertEqual(status, 0)
        self.assertLess(seconds, LIST_SECONDS)


class Floods(CrioStory):
    """An answer over 6 MiB: only that to Version takes the source down."""

    def limit_hits(self):
        return self.metric("limit_hits_total", limit="cri_message") or 0

    def each_is_counted(self, method):
        """Compare the counters within one scrape, because polls go on."""
        metrics = self.agent.metrics()
        hits = metrics.value("imagepull_limit_hits_total", limit="cri_message")
        too_long = {s.labels["method"]: s.value for s in metrics.find("imagepull_cri_request_errors_total",
                                                                     code="ResourceExhausted")}
        self.assertGreater(too_long.get(method, 0), 0)
        self.assertEqual(hits, sum(too_long.values()))

    def test_a_list_that_is_too_long(self):
        memory = self.agent.anonymous_bytes()
        for method in ("ListContainers", "ListPodSandbox"):
            self.crio.tell("flood", method)
            self.one_more_waits()
            support.wait_for(lambda: method in (self.source()["last_error"] or ""), "the poll reports it")
            asked = self.crio.calls("ImageStatus")
            support.wait_for(lambda: self.crio.calls("ImageStatus") > asked, "the agent goes on to ask for images")
            support.wait_for(lambda: self.each_is_counted(method), "each is counted")
            self.assertEqual(self.up(), 1)
            self.crio.tell("serve", "all")
        # The first answers also fill the allocator's and gRPC's own caches; a kept message would be 6 MiB.
        self.assertLess(self.agent.anonymous_bytes() - memory, 5 << 20)

    def test_an_image_answer_that_is_too_long_skips_that_image(self):
        self.crio.tell("flood", "ImageStatus")
        self.one_more_waits()
        self.answers_until(lambda: self.limit_hits() > 0, "it is counted")
        self.assertEqual(self.up(), 1)
        support.wait_for(lambda: "ImageStatus" in (self.source()["last_error"] or ""), "the poll reports it")
        self.assertGreater(self.crio.calls("ListPodSandbox"), 0)

    def test_a_version_answer_that_is_too_long(self):
        self.crio.tell("flood", "Version")
        self.crio.tell("refuse", "ListContainers", 13)  # so that the agent connects again
        self.one_more_waits()
        self.answers_until(lambda: self.errors("Version", "ResourceExhausted") >= 1, "the agent calls Version")
        support.wait_for(lambda: self.each_is_counted("Version"), "each is counted")
        self.assertGreater(self.metric("source_reconnects_total", source="cri", reason="malformed"), 0)
        self.assertEqual(self.up(), 0)
        self.crio.tell("serve", "all")
        self.comes_back()


class Sockets(CrioStory):
    """Something happens to the socket while a container waits. The agent keeps what it knows about the container."""

    def start(self):
        self.crio.tell("sandbox", self.one_more_waits())
        support.wait_for(lambda: self.metric("in_progress", registry=REGISTRY) == 1, "the pull is in progress")
        self.answers.watch_cost()

    def end_well(self):
        self.comes_back()
        self.assert_logged(1)
        reconnects = self.source()["reconnects"]
        self.assertGreaterEqual(reconnects["closed"] + reconnects["network"], 1, reconnects)
        self.assertEqual(self.metric("in_progress", registry=REGISTRY), 1)
        self.crio.tell("image", "present", SIZE)
        self.answers_until(lambda: self.metric("attempts_total", registry=REGISTRY) == 1, "the pull's end")
        self.answers.check_cost()

    def bring_up(self):
        """Start the double again for the same node."""
        self.speak_as_crio()
        self.crio.tell("sandbox", self.double.client().get("pods", "waiter-1")["metadata"]["uid"])

    def take_the_place(self):
        """Bind another socket at the same path. It accepts connections and sends nothing."""
        other = socket.socket(socket.AF_UNIX)
        self.addCleanup(other.close)
        other.bind(self.crio.socket + ".new")
        other.listen(64)
        os.rename(self.crio.socket + ".new", self.crio.socket)
        return other


class Replaced(Sockets):
    def test_a_socket_that_accepts_and_sends_nothing(self):
        self.start()
        self.crio.tell("gone")
        other = self.take_the_place()
        self.goes_down(self.crio.socket)
        self.assertGreaterEqual(self.errors("Version", "Unavailable") + self.errors("Version", "DeadlineExceeded"), 1)
        other.close()
        self.crio.tell("back")
        self.end_well()

    def test_a_socket_that_is_gone_for_a_while(self):
        self.start()
        self.crio.tell("gone")
        self.goes_down(self.crio.socket, "No such file")
        self.crio.tell("back")
        self.end_well()


class Upgraded(Sockets):
    def test_an_upgraded_runtime_is_not_an_outage(self):
        """gRPC may reconnect before the next poll. Then the agent learns the new version with its next Version call."""
        self.start()
        with self.agent_stopped():  # it makes no poll while there is no socket
            self.crio.tell("gone")
            self.crio.tell("version", "cri-o", "1.35.0")
            self.crio.tell("back")
        self.answers_until(lambda: self.metric("runtime_info", version="1.35.0") == 1, "the new version is known")
        self.assertIsNone(self.metric("runtime_info", version=VERSION))
        self.assertEqual(self.log_lines("level=warn"), [])
        self.assertEqual((self.up(), self.metric("in_progress", registry=REGISTRY)), (1, 1))
        self.answers.check_cost()


class Killed(Sockets):
    def kill_during(self, method, manner):
        self.start()
        self.crio.tell(manner, method)
        before = self.crio.calls(method)
        self.one_more_waits()
        support.wait_for(lambda: self.crio.calls(method) > before, "the method is called")
        self.crio.kill()
        self.goes_down(self.crio.socket)
        self.assertEqual(self.errors(method, "Unavailable"), 1)
        self.crio.start()
        self.bring_up()

    def test_a_runtime_killed_before_it_answers(self):
        self.kill_during("ListContainers", "hang")
        self.end_well()

    def test_a_runtime_killed_while_it_answers(self):
        self.kill_during("ListPodSandbox", "half")
        self.end_well()


if __name__ == "__main__":
    unittest.main()
