# SPDX-License-Identifier: Apache-2.0
"""The control port of the API server's double: it refuses invalid commands, and no fault affects it."""

import unittest

import support
import kube_codec as codec
from kube_client import ApiError
from pods import pod

PODS = "/api/v1/pods?fieldSelector=spec.nodeName%3Dlab-node"


class Control(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.double = support.start_api(cls)

    def setUp(self):
        self.double.clear_faults()

    def get(self, path):
        """(status, body) of the agent's request."""
        with open(self.double.token_file) as token:
            stream = support.Http2Stream(self.double.url + path, self.double.ca_file, token.read(), codec.PROTOBUF)
        self.addCleanup(stream.close)
        return stream, stream.read()

    def assert_refused(self, word, path, **command):
        with self.assertRaises(ApiError) as raised:
            self.double.control(path, **command)
        self.assertEqual(raised.exception.status, 400)
        self.assertIn(word, str(raised.exception))

    def test_invalid_commands_are_refused(self):
        self.assert_refused("nonsense", "faults", fault="nonsense")
        self.assert_refused("colour", "faults", fault="status", code=500, colour="red")
        self.assert_refused("code", "faults", fault="status")
        self.assert_refused("count", "faults", fault="bookmarks")
        self.assert_refused("slow", "streams", fault="slow")
        self.assert_refused("code", "streams", fault="error-event")
        self.assert_refused("cut", "connections", do="nothing")
        self.assert_refused("up", "listener")
        with self.assertRaises(ApiError) as raised:
            self.double.control("nothing")
        self.assertEqual(raised.exception.status, 404)

    def test_a_fault_affects_the_requests_that_match(self):
        self.double.fault("status", verb="watch", code=500)
        self.double.fault("status", verb="list", code=429, times=2)
        self.assertEqual([self.get(PODS)[0].status for _ in range(3)], [429, 429, 200])
        self.assertEqual(self.get(PODS + "&watch=1")[0].status, 500)
        self.assertEqual([r["fault"] for r in self.double.client().requests()[-4:]],
                         ["status", "status", None, "status"])

    def test_faults_do_not_affect_the_admin(self):
        admin = self.double.client()
        self.double.fault("status", code=500, times=0)
        admin.create("pods", pod("kept"))
        self.double.listen(False)
        with self.assertRaises(OSError):
            self.get(PODS)
        self.assertEqual(admin.get("pods", "kept")["metadata"]["name"], "kept")
        self.double.clear_faults()
        self.double.listen(True)
        stream, body = self.get(PODS)
        self.assertEqual(stream.status, 200)
        self.assertIn(b"kept", body)


if __name__ == "__main__":
    unittest.main()
