# SPDX-License-Identifier: Apache-2.0
"""The debug listener of a real agent: who may reach it, and what POST /debug/classify answers."""

import http.client
import json
import os
import socket
import stat
import subprocess
import unittest

import support

NOBODY = 65534


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=120)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(path, method="GET", target="/debug/failures", body=None, host="localhost", **headers):
    """(status, headers, body) over the unix socket at `path`."""
    connection = UnixConnection(path)
    try:
        connection.request(method, target, body, {"Host": host, **headers})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


class OwnAgent:
    """An agent without sources, with this debug listener. The caller stops it."""

    def __init__(self, debug, folder):
        self.log_path = os.path.join(folder, "agent.log")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [support.agent_binary(), "--kube.source=none", "--cri.endpoint=unix:///nonexistent/cri.sock",
                 "--web.listen-address=127.0.0.1:0", f"--debug.listen-address={debug}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def wait_answering(self, path):
        def answers():
            if self.process.poll() is not None:
                raise RuntimeError("the agent ended")
            try:
                return ask(path)[0] == 200
            except OSError:
                return False

        support.wait_for(answers, "the debug socket answers")

    def log(self):
        with open(self.log_path) as log:
            return log.read()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout=120)


class DebugSocket(unittest.TestCase):
    def setUp(self):
        folder = support.Folder()
        self.addCleanup(folder.remove)
        os.chmod(folder.path, 0o755)
        self.folder = folder.path
        self.path = os.path.join(folder.path, "made", "debug.sock")

    def start(self):
        agent = OwnAgent("unix:" + self.path, self.folder)
        self.addCleanup(agent.stop)
        agent.wait_answering(self.path)
        return agent

    def test_the_socket_is_private_and_its_folder_is_created(self):
        agent = self.start()
        mode = os.stat(self.path).st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(stat.S_IMODE(mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(self.path)).st_mode), 0o700)
        self.assertEqual(agent.stop(), 0)
        self.assertFalse(os.path.exists(self.path))

    def test_the_socket_of_a_killed_agent_is_replaced(self):
        self.start().kill()
        self.assertTrue(os.path.exists(self.path))
        with self.assertRaises(ConnectionRefusedError):
            ask(self.path)
        self.start()

    def test_a_socket_that_cannot_be_made_is_tried_again(self):
        """A file is in its place: as with SELinux or a read-only folder, a person must repair it."""
        os.mkdir(os.path.dirname(self.path))
        with open(self.path, "w"):
            pass
        agent = OwnAgent("unix:" + self.path, self.folder)
        self.addCleanup(agent.stop)
        support.wait_for(lambda: self.assertRegex(agent.log(), "no debug answers on .* is not a socket; .*retrying in [124]s"),
                         "it tries again")
        self.assertIsNone(agent.process.poll())
        os.unlink(self.path)
        agent.wait_answering(self.path)
        self.assertEqual(agent.stop(), 0)

    def test_two_addresses(self):
        """The socket of the node, and a port for kubectl port-forward; `status` asks the first one that listens."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        addresses = f"127.0.0.1:{port},unix:{self.path}"
        agent = OwnAgent(addresses, self.folder)
        self.addCleanup(agent.stop)
        agent.wait_answering(self.path)

        def by_port(host, **headers):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            connection.request("GET", "/debug/failures", headers={"Host": host, **headers})
            return connection.getresponse().status

        self.assertEqual((by_port("localhost:8080"), by_port("rebound.example")), (200, 403))
        for given in (addresses, f"unix:{self.path}.no,127.0.0.1:{port}", f"unix:{self.path}"):
            done = subprocess.run([support.agent_binary(), "status", "--output=json", f"--debug.listen-address={given}"],
                                  capture_output=True, text=True, timeout=120)
            self.assertEqual((done.returncode, done.stderr), (2, ""))  # it reads no pods
            self.assertIn('"failures":[', done.stdout)

    def test_a_second_agent_waits_for_the_socket(self):
        first = self.start()
        inode = os.stat(self.path).st_ino
        second = OwnAgent("unix:" + self.path, self.folder)
        self.addCleanup(second.stop)
        support.wait_for(lambda: self.assertIn(f"another process listens on 'unix:{self.path}'; waiting until it ends",
                                               second.log()), "it waits")
        self.assertEqual(os.stat(self.path).st_ino, inode)
        self.assertEqual(first.stop(), 0)
        second.wait_answering(self.path)
        self.assertEqual(second.stop(), 0)

    @unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
    def test_other_users_cannot_connect(self):
        self.start()
        os.chmod(os.path.dirname(self.path), 0o755)  # the mode of the socket itself protects it, not that of the folder
        done = subprocess.run(["curl", "-sS", "--unix-socket", self.path, "http://localhost/debug/failures"],
                              user=NOBODY, capture_output=True, text=True, timeout=120)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(done.stdout, "")

    def test_other_host_names_are_refused(self):
        self.start()
        for host in ("rebound.example", "rebound.example:9918", "10.0.0.1", ""):
            for target in ("/", "/debug/failures"):
                status, _, body = ask(self.path, target=target, host=host)
                self.assertEqual((host, status), (host, 403))
                self.assertIn("error", json.loads(body))
            self.assertEqual(ask(self.path, "POST", "/debug/classify", b"x", host)[0], 403)

    def test_answers_must_not_be_cached(self):
        self.start()
        for target in ("/", "/debug/failures", "/debug/sources", "/debug/images", "/debug/events", "/nowhere"):
            headers = ask(self.path, target=target)[1]
            self.assertEqual(headers["Cache-Control"], "no-store")
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
        self.assertIn("default-src 'none'", ask(self.path, target="/")[1]["Content-Security-Policy"])


class Classify(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = support.Folder()
        cls.addClassCleanup(folder.remove)
        cls.path = os.path.join(folder.path, "debug.sock")
        cls.agent = OwnAgent("unix:" + cls.path, folder.path)
        cls.addClassCleanup(cls.agent.stop)
        cls.agent.wait_answering(cls.path)

    def classify(self, body):
        return ask(self.path, "POST", "/debug/classify", body)

    def test_the_answer_is_that_of_the_command(self):
        """For every message of the corpus that a real runtime wrote."""
        with open(os.path.join(support.ROOT, "tests", "corpus", "lab.jsonl")) as corpus:
            messages = [json.loads(line)["message"] for line in corpus]
        done = subprocess.run([support.agent_binary(), "classify", "--null", "--output=json"],
                              input="\0".join(messages), capture_output=True, text=True, timeout=120, check=True)
        explained = subprocess.run([support.agent_binary(), "classify", "--null", "--output=json", "--explain"],
                                   input="\0".join(messages), capture_output=True, text=True, timeout=120, check=True)
        verdicts = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(verdicts), len(messages))
        self.assertEqual(explained.stdout.count("\n"), len(messages))
        for message, verdict, line in zip(messages, verdicts, explained.stdout.splitlines()):
            status, headers, body = self.classify(message.encode())
            self.assertEqual((status, headers["Content-Type"]), (200, "application/json"))
            answer = json.loads(body)
            self.assertEqual({key: answer[key] for key in verdict}, verdict)
            self.assertEqual(body.decode(), line + "\n")
            if answer["attempt"] is not None:
                self.assertLess(answer["attempt"], len(answer["attempts"]))

    def test_bodies_have_a_limit(self):
        self.assertEqual(self.classify(b"x" * (1 << 20))[0], 200)
        connection = UnixConnection(self.path)
        self.addCleanup(connection.close)
        connection.putrequest("POST", "/debug/classify")
        connection.putheader("Content-Length", str((1 << 20) + 1))
        connection.endheaders()  # the answer comes before the body
        response = connection.getresponse()
        self.assertEqual((response.status, response.headers["Cache-Control"]), (413, "no-store"))
        self.assertIn(b"the maximum is 1048576", response.read())

    def test_web_pages_cannot_send_messages(self):
        """A page of any site can POST plain text to this machine; the browser then sends an Origin header."""
        for origin in ("http://rebound.example", "null", "http://localhost"):
            status, _, body = ask(self.path, "POST", "/debug/classify", b"EOF", Origin=origin)
            self.assertEqual((origin, status), (origin, 403))
            self.assertIn("web pages", json.loads(body)["error"])
        self.assertEqual(ask(self.path, "GET", "/debug/failures", Origin="http://localhost")[0], 200)

    def test_invalid_messages_are_refused(self):
        status, _, body = self.classify(b"\n")
        self.assertEqual(status, 400)
        self.assertIn("the body has no message", json.loads(body)["error"])
        self.assertEqual(ask(self.path, target="/debug/classify")[0], 405)


class Off(unittest.TestCase):
    def test_nothing_listens(self):
        folder = support.Folder()
        self.addCleanup(folder.remove)
        agent = OwnAgent("off", folder.path)
        self.addCleanup(agent.stop)

        def listening():
            with open(f"/proc/{agent.process.pid}/net/tcp") as table:
                inodes = {line.split()[9] for line in table.readlines()[1:] if line.split()[3] == "0A"}
            fds = f"/proc/{agent.process.pid}/fd"
            links = {os.readlink(os.path.join(fds, fd)) for fd in os.listdir(fds)}
            return [inode for inode in inodes if f"socket:[{inode}]" in links]

        support.wait_for(lambda: len(listening()) == 1, "the scrape port alone is open")


if __name__ == "__main__":
    unittest.main()
