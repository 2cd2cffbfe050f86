# SPDX-License-Identifier: Apache-2.0
"""The lab itself: what a runtime reports about its registries, and that it leaves nothing behind."""

import glob
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
import unittest
import unittest.mock

import support
import dns
import generations
from cri import Cri, grpc
from endpoints import SLOW_LAYER_BYTES
from images import digest_of
from lab import Lab
from procs import PYTHON, LabError, clean_environment

LAB = os.path.join(support.ROOT, "tests", "lab", "lab.py")

# What containerd 1.6 reports for each endpoint: (code, end of the message). HOST is the host of the registry.
SAYS = {
    "no-challenge": ("UNKNOWN", "pulling from host HOST failed with status code [manifests v1]: 401 Unauthorized"),
    "forbidden": ("UNKNOWN", "pulling from host HOST failed with status code [manifests v1]: 403 Forbidden"),
    "no-such-tag": ("NOT_FOUND", "HOST/team/app:v1: not found"),
    "no-such-name": ("NOT_FOUND", "HOST/team/app:v1: not found"),
    "busy": ("UNKNOWN", "pulling from host HOST failed with status code [manifests v1]: 429 Too Many Requests"),
    "broken": ("UNKNOWN", "pulling from host HOST failed with status code [manifests v1]: 500 Internal Server Error"),
    "bad-gateway": ("UNKNOWN", "pulling from host HOST failed with status code [manifests v1]: 502 Bad Gateway"),
    "down": ("UNKNOWN", "pulling from host HOST failed with status code [manifests v1]: 503 Service Unavailable"),
    "slow-gateway": ("UNKNOWN", "pulling from host HOST failed with status code [manifests v1]: 504 Gateway Timeout"),
    "closes": ("UNKNOWN", 'failed to do request: Head "http://HOST/v2/team/app/manifests/v1": EOF'),
    "token-broken": ("UNKNOWN", "failed to fetch anonymous token: unexpected status: 500 Internal Server Error"),
    "bad-digest": ("FAILED_PRECONDITION", "failed precondition"),
    "other-platform": ("NOT_FOUND", "no match for platform in manifest: not found"),
    "untrusted": ("UNKNOWN", "x509: certificate signed by unknown authority"),
    "speaks-http": ("UNKNOWN", "http: server gave HTTP response to HTTPS client"),
    "refused": ("UNKNOWN", "connect: connection refused"),
}


class Registries(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = cls.enterClassContext(Lab(kubelet=False))
        cls.runtime = Cri(cls.lab.containerd.socket)
        cls.addClassCleanup(cls.runtime.close)

    def pull_error(self, image, credentials=None):
        with self.assertRaises(grpc.RpcError) as raised:
            self.runtime.pull(image, credentials)
        return raised.exception.code().name, raised.exception.details()

    def test_each_endpoint_causes_its_message(self):
        for name, (code, ending) in SAYS.items():
            with self.subTest(endpoint=name):
                host = self.lab.endpoints[name]
                found_code, found = self.pull_error(host + "/team/app:v1")
                self.assertEqual(found_code, code)
                self.assertRegex(found, re.escape(ending.replace("HOST", host)) + "$")

    def test_names_that_do_not_resolve_fail(self):
        self.assertIn("no such host", self.pull_error("registry.nope.invalid/team/app:v1")[1])
        self.assertIn("server misbehaving", self.pull_error("servfail.invalid/team/app:v1")[1])
        self.assertIn("no such host", self.pull_error("nginx:1.25")[1])

    def test_a_password_makes_the_difference(self):
        image = self.lab.private.image("lab/pause", "1")
        self.assertIn("401 Unauthorized", self.pull_error(image)[1])
        self.assertIn("401 Unauthorized", self.pull_error(image, ("lab", "wrong"))[1])
        self.assertTrue(self.runtime.pull(image, ("lab", "correct-horse")))

    def test_a_stalled_layer_stalls_until_it_is_released(self):
        image = self.lab.endpoints["stalls"] + "/team/app:v1"
        calls, done = [], threading.Event()

        def pull():
            self.runtime.pull(image, started=calls.append)
            done.set()

        threading.Thread(target=pull, daemon=True).start()
        support.wait_for(lambda: bool(calls), "the pull has begun")
        self.assertFalse(done.wait(0.5))
        self.lab.registries.set_pace("stalls")
        self.assertTrue(done.wait(120))

    def test_the_pace_of_a_layer_can_be_set(self):
        host = self.lab.endpoints["slow"]
        manifest = json.loads(self.fetch(host, "/v2/team/app/manifests/v1"))
        layer = manifest["layers"][0]
        self.lab.registries.set_pace("slow", 0)
        with self.assertRaises(TimeoutError):
            self.fetch(host, "/v2/team/app/blobs/" + layer["digest"], seconds=0.5)

        self.lab.registries.set_pace("slow", 20 << 20)
        begun = time.monotonic()
        data = self.fetch(host, "/v2/team/app/blobs/" + layer["digest"])
        self.assertEqual((len(data), digest_of(data)), (layer["size"], layer["digest"]))
        self.assertGreater(time.monotonic() - begun, SLOW_LAYER_BYTES / (20 << 20) - 0.3)
        with self.assertRaises(LabError):
            self.lab.registries.set_pace("forbidden")

    def fetch(self, host, path, seconds=120):
        connection = http.client.HTTPConnection(self.lab.address, int(host.rpartition(":")[2]), timeout=seconds)
        self.addCleanup(connection.close)
        connection.request("GET", path)
        return connection.getresponse().read()

    def test_two_endpoints_never_answer(self):
        """The runtime gives up after 10 and 30 s. This test only checks that a short wait gets no answer."""
        def connect(name):
            port = int(self.lab.endpoints[name].rpartition(":")[2])
            return socket.create_connection((self.lab.address, port), timeout=0.4)

        with self.assertRaises(TimeoutError):
            connect("unreachable")
        with connect("tls-hang") as silent, self.assertRaises(TimeoutError):
            ssl.create_default_context().wrap_socket(silent, server_hostname="tls-hang.lab")


def processes_that_name(text):
    """Pids whose command line has `text` in it."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as cmdline:
                if text.encode() in cmdline.read():
                    found.append(int(path.split("/")[2]))
        except OSError:
            pass  # it has ended
    return found


class Life(unittest.TestCase):
    def up(self):
        """Start a lab as a process: (process, its description)."""
        folder = support.Folder()
        self.addCleanup(folder.remove)
        process = subprocess.Popen([PYTHON, LAB, "up", "--dir", os.path.join(folder.path, "lab")],
                                   stdout=subprocess.PIPE, env=clean_environment(), text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        ready = process.stdout.readline()
        self.assertIn("lab.json", ready)
        with open(ready.split(": ", 1)[1].strip()) as described:
            return process, json.load(described)

    def assert_gone(self, lab):
        def gone():
            self.assertEqual(processes_that_name(lab["directory"]), [])
            self.assertEqual(glob.glob("/sys/fs/cgroup/*/" + lab["cgroup"]), [])
            self.assertFalse(os.path.exists(lab["directory"]))

        support.wait_for(gone, "nothing is left of the lab")

    def test_two_labs_side_by_side_leave_nothing_behind(self):
        (killed, first), (ended, second) = self.up(), self.up()
        self.assertNotEqual(first["api"]["url"], second["api"]["url"])
        self.assertTrue(processes_that_name(first["directory"]))
        killed.send_signal(signal.SIGKILL)
        ended.send_signal(signal.SIGTERM)
        self.assertEqual(ended.wait(120), 0)
        self.assert_gone(first)
        self.assert_gone(second)

    def test_an_existing_folder_is_kept(self):
        folder = support.Folder()
        self.addCleanup(folder.remove)
        with Lab(folder.path, kubelet=False):
            self.assertTrue(os.path.exists(os.path.join(folder.path, "lab.json")))
        self.assertTrue(os.path.exists(os.path.join(folder.path, "containerd.log")))


class Generations(unittest.TestCase):
    """Which generation of containerd is used. Nothing here uses the network."""

    def setUp(self):
        folder = support.Folder()
        self.addCleanup(folder.remove)
        self.cache = folder.path
        self.enterContext(unittest.mock.patch.dict(os.environ, LAB_CACHE=self.cache))

    def test_the_installed_suite_is_not_fetched(self):
        self.assertIsNone(generations.folder(None))
        self.assertIsNone(generations.folder(generations.installed_suite()))
        self.assertEqual(os.listdir(self.cache), [])

    def test_a_fetched_suite_is_not_fetched_again(self):
        os.makedirs(os.path.join(self.cache, "containerd-earlier"))
        with unittest.mock.patch("suites._download", side_effect=AssertionError("it was fetched")):
            self.assertEqual(generations.folder("earlier"),
                             os.path.join(self.cache, "containerd-earlier", "usr", "bin"))

    def test_a_suite_that_cannot_be_fetched_is_tried_once(self):
        error = LabError("no such mirror")
        with unittest.mock.patch("suites._download", side_effect=error) as download:
            for _ in range(2):
                with self.assertRaisesRegex(generations.Unavailable, "cannot get containerd of Debian nowhere: no such mirror"):
                    generations.folder("nowhere")
        download.assert_called_once()
        self.assertFalse(os.path.exists(os.path.join(self.cache, "containerd-nowhere")))

    def test_a_name_outside_of_the_folder_is_refused(self):
        with self.assertRaisesRegex(generations.Unavailable, "not the name of a Debian suite"):
            generations.folder("../sid")


class Dns(unittest.TestCase):
    QUERY = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04open\x03lab\x00\x00\x01\x00\x01"

    def test_a_name_of_the_lab_has_its_address(self):
        answer = dns.answer(self.QUERY, "127.1.2.3")
        self.assertEqual(answer[:4], b"\x12\x34\x81\x80")
        self.assertTrue(answer.endswith(bytes([127, 1, 2, 3])))

    def test_invalid_queries_get_no_answer(self):
        for length in range(len(self.QUERY)):
            self.assertIsNone(dns.answer(self.QUERY[:length], "127.1.2.3"))


if __name__ == "__main__":
    unittest.main()
