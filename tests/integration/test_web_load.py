# SPDX-License-Identifier: Apache-2.0
"""The scrape port under load: idle connections by the thousand, slow readers, and too many scrapes at one time."""

import contextlib
import http.client
import os
import resource
import socket
import unittest

import support

IDLE = 10_000
# The agent keeps open: 64 connections, a few more, and its own files.
DESCRIPTORS = 120


def connect(address, receive_buffer=None):
    """A connection. A small `receive_buffer` makes the kernel accept little before the client reads."""
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(120)
    connection.connect(address)
    return connection


class Load(unittest.TestCase):
    def start(self, *flags):
        agent = support.start_agent(self, ["--kube.source=none", "--cri.endpoint=unix:///nonexistent/containerd.sock",
                                           *flags])
        agent.wait_listening()
        return agent

    def test_ten_thousand_idle_connections_lock_nobody_out(self):
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
                    self.assertEqual(agent.metrics().value("imagepull_exporter_build_info"), 1)
                    answered += 1
            self.assertEqual(answered, IDLE // 1000)
            self.assertLess(len(os.listdir(f"/proc/{agent.pid}/fd")), DESCRIPTORS)
            self.assertLess(agent.anonymous_bytes() - before, 4 << 20)

    def test_slow_senders_and_readers_are_cut(self):
        agent = self.start()
        half = connect(agent.web)
        half.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")
        silent = connect(agent.web)
        for connection in (half, silent):
            with contextlib.suppress(ConnectionError):  # a reset closes it, too
                connection.recv(100)
            connection.close()
        self.assertEqual(agent.get("/-/healthy", agent.web)[0], 200)

    def test_scrapes_over_the_limit_are_answered_503(self):
        agent = self.start("--web.max-requests=2")
        ask = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
        slow = [connect(agent.web, 1024) for _ in range(2)]
        with contextlib.ExitStack() as open_connections:
            for connection in slow:
                open_connections.enter_context(connection)
                connection.sendall(ask * 2000)  # more answers than a socket buffers; none is read
            self.assertIn("--web.max-requests", support.wait_for(lambda: self.refusal(agent), "the limit is reached"))
            self.assertEqual(agent.get("/-/healthy", agent.web)[0], 200, "probes are no scrapes")
        support.wait_for(lambda: agent.get("/metrics", agent.web)[0] == 200, "the slow ones have gone")

    @staticmethod
    def refusal(agent):
        """The body if /metrics answers 503."""
        status, body = agent.get("/metrics", agent.web)
        return status == 503 and body


class Rude(unittest.TestCase):
    """Requests that no scraper sends: each gets one answer or a closed connection, and the next client is served."""

    @classmethod
    def setUpClass(cls):
        cls.agent = support.start_agent(cls, ["--kube.source=none", "--cri.endpoint=unix:///nonexistent/containerd.sock"])
        cls.agent.wait_listening()

    def exchange(self, sent):
        """What the agent sends until it closes the connection."""
        received = b""
        with connect(self.agent.web) as connection, contextlib.suppress(ConnectionError):  # a reset ends it, too
            connection.sendall(sent)
            while part := connection.recv(65536):
                received += part
        return received

    def ask(self, line, *headers):
        """(status, body) of a request with this first line."""
        head, _, body = self.exchange("\r\n".join([line, "Host: x", "Connection: close", *headers, "", ""])
                                      .encode("latin-1")).partition(b"\r\n\r\n")
        return int(head.split()[1]) if head else 0, body

    def test_other_methods_get_405(self):
        for method in ("POST", "PUT", "DELETE", "TRACE", "OPTIONS", "CONNECT", "get", "X"):
            for path in ("/metrics", "/", "/healthz"):
                self.assertEqual(self.ask(f"{method} {path} HTTP/1.1"), (405, f"{path} accepts GET and HEAD only\n".encode()))
            self.assertEqual(self.ask(f"{method} /other HTTP/1.1")[0], 404)
        self.assertIn(b"\r\nAllow: GET, HEAD\r\n", self.exchange(b"TRACE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))

    def test_only_exact_paths_are_found(self):
        for target in ("/metrics", "/metrics?name[]=up&x", "http://somewhere:1/metrics", "HTTPS://[::1]/metrics?x"):
            status, body = self.ask(f"GET {target} HTTP/1.1")
            self.assertEqual(status, 200, target)
            self.assertIn(b"imagepull_exporter_build_info", body)
        for target in ("//metrics", "/metrics/", "/%6detrics", "/./metrics", "/%2e%2e/metrics", "/-/healthy/../metrics",
                       "/metrics%00", "/metrics;x", "*", "metrics", "http:/metrics", "/x?u=http://y/metrics"):
            self.assertEqual(self.ask(f"GET {target} HTTP/1.1")[0], 404, target)

    def test_large_request_heads_are_refused(self):
        for headers in (["X: " + "x" * 65536], [f"X-{n}: x" for n in range(1000)], ["X: x"] * 10_000):
            self.assertIn(self.ask("GET /metrics HTTP/1.1", *headers)[0], (431, 0))  # 0: the agent reset the connection first
        self.assertEqual(self.ask("GET /" + "x" * 65536 + " HTTP/1.1")[0], 414)
        self.assertEqual(self.ask("GET /metrics HTTP/1.1", "Accept: " + "," * 8000, "Accept-Encoding: " + ";" * 4000)[0], 200)

    def test_requests_with_a_body_are_refused(self):
        for more in ("Content-Length: 5", "Transfer-Encoding: chunked", "Content-Length: 999999999999999999"):
            self.assertEqual(self.ask("POST /metrics HTTP/1.1", more, "Expect: 100-continue")[0], 405, more)
            self.assertEqual(self.ask("GET /metrics HTTP/1.1", more)[0], 413, more)
        self.assertEqual(self.ask("POST /metrics HTTP/1.1", "Content-Length: -5")[0], 400)

    def test_pipelined_and_http_1_0_requests(self):
        one = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        last = b"GET /metrics HTTP/1.0\r\n\r\n"
        answers = self.exchange(one * 50 + last)
        self.assertEqual(answers.count(b"HTTP/1.1 200 OK\r\n"), 51)
        self.assertTrue(answers.endswith(b"\n"))
        self.assertIn(b"imagepull_exporter_build_info", answers)

    def test_bytes_that_are_not_http(self):
        for sent in (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /metrics\r\n\r\n",
                     b"GET /metrics HTTP/9.9\r\n\r\n", b"GET /metrics HTTP/1.1\r\nX\0Y: z\r\n\r\n"):
            self.assertNotIn(b"imagepull_exporter_build_info", self.exchange(sent), sent[:20])
        self.assertEqual(self.ask("GET /healthz HTTP/1.1"), (200, b"healthy\n"))


class Addresses(unittest.TestCase):
    def test_metrics_are_served_on_each_address_at_the_given_path(self):
        agent = support.start_agent(self, ["--kube.source=none", "--web.listen-address=[::1]:0",
                                           "--web.telemetry-path=/node/images",
                                           "--cri.endpoint=unix:///nonexistent/containerd.sock"])
        agent.wait_listening()
        status, body = agent.get("/node/images", agent.web)
        self.assertEqual(status, 200)
        self.assertIn("imagepull_exporter_build_info", body)
        self.assertEqual(agent.get("/metrics", agent.web)[0], 404)
        port = support.wait_for(lambda: self.port_on_ipv6(agent), "it listens on [::1], too")
        connection = http.client.HTTPConnection("::1", port, timeout=120)
        self.addCleanup(connection.close)
        connection.request("GET", "/node/images")
        self.assertEqual(connection.getresponse().status, 200)

    @staticmethod
    def port_on_ipv6(agent):
        """The port on which the agent listens on [::1]."""
        folder = f"/proc/{agent.pid}/fd"  # realpath() does not fail if a file is closed meanwhile
        own = {os.path.basename(os.path.realpath(os.path.join(folder, fd))) for fd in os.listdir(folder)}
        with open(f"/proc/{agent.pid}/net/tcp6") as table:
            for line in table.readlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and f"socket:[{fields[9]}]" in own and fields[1].startswith("0" * 24 + "01000000"):
                    return int(fields[1].rpartition(":")[2], 16)
        return False


if __name__ == "__main__":
    unittest.main()
