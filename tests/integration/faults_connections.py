# SPDX-License-Identifier: Apache-2.0
"""Connections that end or move, a certificate that changes, and servers that restart."""

import support
from fault_story import FaultStory


class Ends(FaultStory):
    def requests(self):
        return self.double.client().requests()

    def test_a_connection_that_is_closed(self):
        self.start()
        self.double.cut()
        self.eventually_counts("closed")
        self.assert_goes_on()

    def test_http2_goaway_lets_open_streams_finish(self):
        self.start()
        self.double.go_away()
        self.pods.create_failing("after-goaway")
        self.sees("after-goaway")
        self.assertEqual(len(self.requests()), 1, "the stream goes on until the server ends it")
        self.pods.delete("after-goaway")
        support.wait_for(lambda: self.agent.failures()[("after-goaway", "app")]["state"] == "gone", "it is gone")
        self.before = self.watcher.facts()
        self.double.spoil_streams("end")
        self.eventually_counts("closed")
        self.assert_goes_on()
        self.assertEqual([r["status"] for r in self.requests()], [200, 200])

    def test_http2_goaway_and_a_closed_connection(self):
        self.start()
        self.double.go_away()
        self.double.cut()
        self.eventually_counts("closed")
        self.assert_goes_on()


class Certificates(FaultStory):
    def test_a_certificate_of_another_authority(self):
        self.start()
        ca = self.double.change_certificate()
        self.double.cut()
        self.eventually_counts("network")
        self.eventually_down("certificate")
        self.double.write_ca(ca)
        self.assert_goes_on()
        self.assert_said_once("certificate")


class Outages(FaultStory):
    def test_pods_deleted_during_an_outage_are_gone(self):
        """etcd is compacted while the agent is disconnected: 410, a new list, and pods that are not in it are gone."""
        self.start()
        self.double.listen(False)
        self.eventually_counts("network")
        self.eventually_down()
        self.assertTrue(self.agent.ready(), "an outage of the API server does not make the agent unready")
        self.assert_nothing_changed()
        self.pods.delete("missing")
        self.pods.create_failing("new")
        self.double.control("compact")
        self.double.listen(True)
        self.eventually_up()
        self.eventually_counts("expired")
        self.sees("new", "refused")
        ended = self.agent.failures()[("missing", "app")]
        self.assertEqual(ended["state"], "gone")
        self.assertIsNotNone(ended["ended"])
        self.assertEqual(self.agent.metrics().find("imagepull_container_blocked_info", pod="missing"), [])
        self.assert_said_once("")
        self.assert_refused_is_as_before()

    def assert_refused_is_as_before(self):
        failures, _ = self.watcher.facts()
        key = next(key for key in self.before[0] if key[1] == "refused")
        self.assertEqual(failures[key], self.before[0][key])

    def test_an_outage_without_a_compaction(self):
        self.start()
        self.double.listen(False)
        self.eventually_counts("network")
        self.pods.delete("missing")
        self.pods.create_failing("new")
        self.double.listen(True)
        self.eventually_up()
        self.sees("new", "refused")
        support.wait_for(lambda: self.agent.failures()[("missing", "app")]["state"] == "gone", "it is gone")
        self.assertEqual(self.watcher.reconnects("expired"), 0)
        self.assert_refused_is_as_before()
