# SPDX-License-Identifier: Apache-2.0
"""Silent servers. The agent needs up to 30 s to notice, so the tests run side by side, each in a class of its own."""

from api_proxy import Proxy
from fault_story import FaultStory


class ThroughAProxy(FaultStory):
    def setUp(self):
        super().setUp()
        self.proxy = Proxy(self.double.url)
        self.addCleanup(self.proxy.stop)

    def flags(self):
        return [flag if not flag.startswith("--kube.server=") else f"--kube.server={self.proxy.url}"
                for flag in super().flags()]


class HalfOpen(ThroughAProxy):
    def test_a_dead_connection_is_noticed(self):
        """After 25 s. Without keepalive the kernel needs a quarter of an hour, and no test waits so long."""
        self.start()
        self.proxy.pull_the_cable()
        self.eventually_counts("network")
        self.assert_goes_on()


class SilentAfterAccept(ThroughAProxy):
    def test_a_server_that_accepts_and_is_silent(self):
        self.start()
        self.proxy.accept_and_be_silent(True)
        self.double.cut()
        self.eventually_counts("network")
        self.eventually_down("timeout")
        self.proxy.accept_and_be_silent(False)
        self.assert_goes_on()
        self.assert_said_once()


class SilentAnswer(FaultStory):
    def test_a_request_that_is_never_answered(self):
        self.start()
        self.double.fault("silent", times=0)
        self.double.spoil_streams("end")
        self.eventually_counts("network")
        self.eventually_down("no answer within 30s")
        self.double.clear_faults()
        self.assert_goes_on()
        self.assert_said_once("no answer")


class ServerThatNeverHeardOfStreamingLists(FaultStory):
    def test_the_agent_falls_back_to_a_list(self):
        """The server ignores sendInitialEvents: it sends the pods, but no bookmark that ends the list."""
        self.double.fault("old-server", times=0)
        self.start()
        self.assert_goes_on()
        first, listed, watched = self.double.client().requests()
        self.assertEqual(first["fault"], "old-server")
        self.assertEqual((listed["query"]["resourceVersion"], "watch" in listed["query"]), ("0", False))
        self.assertEqual(watched["query"]["watch"] in ("1", "true"), True)
