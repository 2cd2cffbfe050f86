# SPDX-License-Identifier: Apache-2.0
"""The scrape port under load: idle connections by the thousand, slow readers, and too many scrapes at one time."""

import contextlib
import http.client
import os
import resource
import socket
import time
import unittest

import support

IDLE = 10_000
# What the agent keeps open: 64 connections, a few to spare, and its own files.
DESCRIPTORS = 120


def connect(address, receive_buffer=None):
    """A connection; with `receive_buffer` one that takes as little as the kernel allows before it is read."""
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(10)
    connection.connect(address)
    return connection


class Load(unittest.TestCase):
    def start(self, *flags):
        agent = support.start_agent(self, ["--kube.source=none", "--cri.endpoint=unix:///nonexistent/containerd.sock",
                                           *flags])
        agent.wait_listening()
        return agent

    def test_ten_thousand_idle_connections_keep_nobody_out(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < IDLE + 200:
            self.skipTest(f"this machine allows {hard} open files")
        resource.setrlimit(resource.RLIMIT_NOFILE, (IDLE + 200, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        agent = self.start()
        before = agent.anonymous_bytes()
        answered = 0
        with contextlib.ExitStack() as idle:
            for number in range(IDLE):
                idle.enter_context(connect(agent.web))
                if number % 1000 == 999:
                    self.assertEqual(agent.get("/-/healthy", agent.web)[0], 200)
                    self.assertGreater(len(agent.metrics().samples), 20)
                    answered += 1
            self.assertEqual(answered, IDLE // 1000)
            self.assertLess(len(os.listdir(f"/proc/{agent.pid}/fd")), DESCRIPTORS)
            self.assertLess(agent.anonymous_bytes() - before, 4 << 20)

    def test_slow_senders_and_readers_are_cut(self):
        agent = self.start()
        half = connect(agent.web)
        half.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")
        silent = connect(agent.web)
        began = time.monotonic()
        for connection in (half, silent):
            connection.settimeout(30)
            with contextlib.suppress(ConnectionError):  # a reset is a cut, too
                connection.recv(100)
            connection.close()
        self.assertLess(time.monotonic() - began, 25)
        self.assertEqual(agent.get("/-/healthy", agent.web)[0], 200)

    def test_scrapes_over_the_limit_are_answered_503(self):
        agent = self.start("--web.max-requests=2")
        ask = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
        slow = [connect(agent.web, 1024) for _ in range(2)]
        with contextlib.ExitStack() as open_connections:
            for connection in slow:
                open_connections.enter_context(connection)
                connection.sendall(ask * 150)  # pipelined, and not one answer is read
            support.eventually(lambda: agent.get("/metrics", agent.web)[0] == 503, "the limit is reached")
            status, body = agent.get("/metrics", agent.web)
            self.assertEqual(status, 503)
            self.assertIn("--web.max-requests", body)
            self.assertEqual(agent.get("/-/healthy", agent.web)[0], 200, "probes are no scrapes")
        support.eventually(lambda: agent.get("/metrics", agent.web)[0] == 200, "the slow ones have gone")


class Addresses(unittest.TestCase):
    def test_every_address_and_the_path(self):
        agent = support.start_agent(self, ["--kube.source=none", "--web.listen-address=[::1]:0",
                                           "--web.telemetry-path=/node/images",
                                           "--cri.endpoint=unix:///nonexistent/containerd.sock"])
        agent.wait_listening()
        status, body = agent.get("/node/images", agent.web)
        self.assertEqual(status, 200)
        self.assertIn("imagepull_exporter_build_info", body)
        self.assertEqual(agent.get("/metrics", agent.web)[0], 404)
        port = support.eventually(lambda: self.port_on_ipv6(agent), "it listens on [::1], too")
        connection = http.client.HTTPConnection("::1", port, timeout=5)
        self.addCleanup(connection.close)
        connection.request("GET", "/node/images")
        self.assertEqual(connection.getresponse().status, 200)

    @staticmethod
    def port_on_ipv6(agent):
        """Which port the agent's socket on [::1] has: of its own sockets the one that listens there."""
        own = {os.readlink(f"/proc/{agent.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{agent.pid}/fd")}
        with open(f"/proc/{agent.pid}/net/tcp6") as table:
            for line in table.readlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and f"socket:[{fields[9]}]" in own and fields[1].startswith("0" * 24 + "01000000"):
                    return int(fields[1].rpartition(":")[2], 16)
        return False


if __name__ == "__main__":
    unittest.main()
