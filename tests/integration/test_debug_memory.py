# SPDX-License-Identifier: Apache-2.0
"""A node whose tenants fail as much as they can: neither the agent nor `status` beside it needs much memory to show it.

Both count against the memory limit of the agent's container.
"""

import json
import socket
import subprocess
import threading
import unittest

import side_by_side
import support
from fault_story import Watcher
from pods import IMAGE, Pods, waiting

load_tests = side_by_side.load_tests

PODS, CONTAINERS = 18, 110
INCIDENTS = PODS * CONTAINERS
# JSON writes each of these characters as six bytes or twelve.
HOSTILE = "\u009b\u202e\U0001f4a9\x7f" * 100
MIB = 1 << 20
# The limit of the container is 48 MiB; the agent's table of all incidents takes about 14 of them.
AGENT_MOST = 34 * MIB
# Memory of its own: without the pages of the program and its libraries, which are the agent's as well.
STATUS_MOST = 10 * MIB


class DebugMemory(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.double = support.start_api(cls)
        pods = Pods(cls.double.client())
        names = [f"c{i:03}" + "x" * 50 for i in range(CONTAINERS)]
        for i in range(PODS):
            name = f"hostile-{i}-" + "p" * 200
            pods.create({"metadata": {"name": name}, "spec": {
                "nodeName": "lab-node", "containers": [{"name": c, "image": IMAGE + "-" + "i" * 300} for c in names]}})
            pods.report(name, *(waiting("ErrImagePull", f"{i} {c} {HOSTILE}", c) for c in names))

    def setUp(self):
        self.agent = Watcher(self, self.double.agent_flags()).agent
        self.agent.wait_ready()
        support.wait_for(lambda: self.blocked() == INCIDENTS, "all incidents are known")

    def blocked(self):
        return sum(sample.value for sample in self.agent.metrics().find("imagepull_blocked_containers"))

    def status(self, *flags):
        """(exit status, output, errors) of `status` with little memory."""
        done = subprocess.run(["prlimit", f"--data={STATUS_MOST}", support.agent_binary(), "status",
                               f"--debug.listen-address=127.0.0.1:{self.agent.debug[1]}", *flags],
                              capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout, done.stderr

    def peak(self):
        return self.agent.memory("VmHWM")

    def test_the_table_says_what_it_leaves_out(self):
        code, out, err = self.status()
        self.assertEqual((code, err), (1, ""))
        self.assertIn(f"{INCIDENTS} containers blocked", out)
        self.assertRegex(out, r"and \d+ more, whose details are left out; use --namespace, --cause or --output=json")
        self.assertLess(self.peak(), AGENT_MOST)

    def test_json_is_whole(self):
        code, out, err = self.status("--output=json")
        self.assertEqual((code, err), (1, ""))
        self.assertEqual(len(json.loads(out)["failures"]), INCIDENTS)
        self.assertGreater(len(out), 4 * MIB)
        self.assertLess(self.peak(), AGENT_MOST)

    def test_many_people_wait_for_each_other(self):
        people = [None] * 6

        def ask(i):
            people[i] = self.status("--output=json")

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(people))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # Whoever got no turn in 10 tries says so.
        for code, _, err in people:
            if code != 1:
                self.assertIn("GET /debug/failures returned status 503", err)
        self.assertIn(1, [code for code, _, _ in people])
        self.assertLess(self.peak(), AGENT_MOST)

    def test_a_client_that_does_not_read_holds_one_answer(self):
        clients = []
        for _ in range(8):
            client = socket.create_connection(self.agent.debug)
            self.addCleanup(client.close)
            client.sendall(b"GET /debug/failures HTTP/1.1\r\nHost: localhost\r\n\r\n")
            clients.append(client.recv(4096).split(b"\r\n")[0])
        self.assertEqual(sorted(clients), [b"HTTP/1.1 200 OK"] + [b"HTTP/1.1 503 Service Unavailable"] * 7)
        self.assertLess(self.peak(), AGENT_MOST)
        self.assertEqual(self.agent.get("/debug/sources")[0], 200)


if __name__ == "__main__":
    unittest.main()
