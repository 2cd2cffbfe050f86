# SPDX-License-Identifier: Apache-2.0
"""`imagepull-exporter status` against a real agent, for scripts and on a terminal."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import unittest

import side_by_side
import support
from fault_story import FaultStory
from pods import running

load_tests = side_by_side.load_tests

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CLEAR = "\x1b[H\x1b[2J"


class Terminal:
    """A command on a pseudo-terminal. `read` returns what it has printed so far."""

    def __init__(self, test, argv, columns, rows=50, **environment):
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm", **environment}
        self.process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, env=env)
        os.close(slave)
        os.set_blocking(self._master, False)
        self.shown = ""
        test.addCleanup(self.close)

    def read(self):
        while True:
            try:
                piece = os.read(self._master, 65536)
            except (BlockingIOError, OSError):  # EIO: the command ended
                return self.shown
            if not piece:
                return self.shown
            self.shown += piece.decode().replace("\r\n", "\n")

    def wait(self):
        status = self.process.wait(timeout=120)
        self.read()
        return status

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)


class Status(FaultStory):
    def setUp(self):
        super().setUp()
        self.start()
        self.address = f"127.0.0.1:{self.agent.debug[1]}"

    def argv(self, *flags):
        return [support.agent_binary(), "status", f"--debug.listen-address={self.address}", *flags]

    def status(self, *flags):
        done = subprocess.run(self.argv(*flags), capture_output=True, text=True, timeout=120,
                              stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout, done.stderr

    def test_exit_status_1_if_something_is_blocked(self):
        code, out, err = self.status()
        self.assertEqual((code, err), (1, ""))
        for words in ("lab-node", "2 containers blocked", "default/refused", "default/missing", "not_found",
                      "registry.example.com/team/app:v1"):
            self.assertIn(words, out)
        advice = json.loads(self.status("--output=json")[1])["failures"][0]["advice"]
        self.assertGreater(len(advice), 80)
        self.assertIn(advice, out)  # a pipe has no width: nothing is wrapped or shortened
        self.assertNotIn("\x1b", out)
        self.assertEqual(self.status("--cause=not_found")[0], 1)
        self.assertEqual(self.status("--cause=rate_limited")[0], 0)
        self.assertEqual(self.status("--namespace=elsewhere")[0], 0)

    def test_json_is_the_answer_of_the_agent(self):
        code, out, _ = self.status("--output=json")
        self.assertEqual((code, out.count("\n")), (1, 1))
        answer = json.loads(out)
        self.assertEqual(answer["failures"], json.loads(self.agent.get("/debug/failures")[1])["failures"])
        self.assertEqual({s["source"] for s in answer["sources"]}, {"pods", "events", "cri"})

    def test_recent_observations_and_their_effect(self):
        def recent(pod):
            events = json.loads(self.agent.get("/debug/events")[1])["events"]
            numbers = [event["number"] for event in events]
            self.assertEqual(numbers, sorted(set(numbers)))
            return [event for event in events if event["pod"] == pod]

        opened = [event for event in recent("missing") if event["effect"] == "opened"]
        self.assertEqual([(e["source"], e["kind"], e["namespace"]) for e in opened], [("pods", "pod", "default")])
        self.pods.report("missing", running(), phase="Running")
        support.wait_for(lambda: self.assertIn("ended", [e["effect"] for e in recent("missing")]), "its end is a recent observation")
        self.assertNotIn("ended", [event["effect"] for event in recent("refused")])

    def test_exit_status_0_when_everything_is_repaired(self):
        for name in ("refused", "missing"):
            self.pods.report(name, running(), phase="Running")
        support.wait_for(lambda: self.assertEqual(self.status()[0], 0), "nothing is blocked")
        self.assertIn("nothing is blocked", self.status()[1])
        self.assertIn("2 recovered", self.status()[1])

    def test_a_terminal_has_colours_and_a_width(self):
        for columns in (80, 200):
            terminal = Terminal(self, self.argv(), columns)
            self.assertEqual(terminal.wait(), 1)
            self.assertRegex(terminal.shown, r"\x1b\[1;31mnot_found")
            lines = COLOUR.sub("", terminal.shown).splitlines()
            self.assertLessEqual(max(map(len, lines)), columns)
            self.assertEqual(any("IMAGE" in line for line in lines), columns == 200)
        self.assertNotIn("\x1b", self.terminal_without_colours())

    def terminal_without_colours(self):
        terminal = Terminal(self, self.argv(), 80, NO_COLOR="1")
        terminal.wait()
        return terminal.shown

    def test_watch_prints_each_new_state(self):
        terminal = Terminal(self, self.argv("--watch"), 80)
        support.wait_for(lambda: "2 containers blocked" in terminal.read(), "the first table")
        self.pods.create_failing("third")
        support.wait_for(lambda: "3 containers blocked" in terminal.read(), "a table with the new failure")
        self.assertGreaterEqual(terminal.shown.count(CLEAR), 2)
        terminal.process.send_signal(signal.SIGINT)
        self.assertEqual(terminal.wait(), -signal.SIGINT)

    def test_no_color_does_not_change_the_screen_handling(self):
        plain = Terminal(self, self.argv("--watch"), 80, NO_COLOR="1")
        support.wait_for(lambda: CLEAR in plain.read() and "2 containers blocked" in plain.shown,
                         "a table on an empty screen")
        self.assertNotRegex(plain.shown, COLOUR)
        unset = Terminal(self, self.argv(), 80, NO_COLOR="")  # no-color.org: an empty value does not count
        unset.wait()
        self.assertRegex(unset.shown, COLOUR)

    def test_watch_goes_on_when_the_agent_goes_away(self):
        terminal = Terminal(self, self.argv("--watch"), 80)
        support.wait_for(lambda: "2 containers blocked" in terminal.read(), "the first table")
        self.agent.stop()
        support.wait_for(lambda: "cannot connect to the agent at" in terminal.read(), "it says that the agent is gone")
        self.assertIsNone(terminal.process.poll())

    def test_exit_status_2_without_an_agent(self):
        self.agent.stop()
        code, out, err = self.status()
        self.assertEqual((code, out), (2, ""))
        self.assertIn(self.address, err)


class NotYet(FaultStory):
    double_options = ()

    def test_exit_status_before_the_first_list(self):
        self.double.stop()
        self.addCleanup(self.double.start)
        self.begin()
        self.agent.wait_listening()
        support.wait_for(lambda: self.assertEqual(self.watcher.source()["state"], "down"), "pods are not read")
        done = subprocess.run([support.agent_binary(), "status"], capture_output=True, text=True, timeout=120,
                              env={**os.environ,
                                   "IMAGEPULL_DEBUG_LISTEN_ADDRESS": f"127.0.0.1:{self.agent.debug[1]}"})
        self.assertEqual(done.returncode, 2)
        self.assertIn("not known yet", done.stdout)


if __name__ == "__main__":
    unittest.main()
