# SPDX-License-Identifier: Apache-2.0
"""SIGTERM ends the agent, whatever does not stop inside it and whoever does not read its log."""

import fcntl
import os
import signal
import subprocess
import unittest

import support
from procs import free_port, listens

MISSING = "unix:///nonexistent/containerd.sock"


class Ends(unittest.TestCase):
    def start(self, *limits, stderr, **changes):
        """An agent that reads nothing, started through prlimit and setpriv."""
        port = free_port()
        flags = {"kube.source": "none", "cri.endpoint": MISSING, "web.listen-address": f"127.0.0.1:{port}",
                 "debug.listen-address": "off", **changes}
        child = subprocess.Popen([*limits, support.agent_binary(), *(f"--{k}={v}" for k, v in flags.items())],
                                 stdin=subprocess.DEVNULL, stderr=stderr)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        support.wait_for(lambda: listens("127.0.0.1", port), "it listens")
        return child

    def assert_ends(self, child):
        child.send_signal(signal.SIGTERM)
        self.assertEqual(child.wait(timeout=120), 0)

    def assert_ends_where_grpc_gets_no_threads(self, *flags):
        """grpc_shutdown() waits for its own threads, also if it could not start them."""
        folder = support.Folder()
        self.addCleanup(folder.remove)
        path = os.path.join(folder.path, "log")
        with open(path, "wb") as log:
            # The limit counts the threads of a user, so this is a user without other processes.
            child = self.start("prlimit", "--nproc=4", "setpriv", "--reuid=61234", "--clear-groups", stderr=log,
                               **dict(flags))
        with open(path) as log:
            support.wait_for(lambda: log.seek(0) == 0 and "retrying in" in log.read(), "it has asked the runtime")
            self.assert_ends(child)
            log.seek(0)
            return log.read()

    def test_where_grpc_cannot_start_threads(self):
        log = self.assert_ends_where_grpc_gets_no_threads()
        self.assertRegex(log, r'(?m)^time=\S+Z level=warn component=agent msg="not everything stopped within a second; '
                              r'ending without it"$')

    def test_the_last_line_has_the_format_of_the_others(self):
        log = self.assert_ends_where_grpc_gets_no_threads(("log.format", "json"))
        self.assertRegex(log.splitlines()[-1], r'^\{"time":.*"msg":"not everything stopped within a second; .*"\}$')

    def test_while_nobody_reads_a_full_standard_error(self):
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        child = self.start(stderr=writing, **{"log.level": "debug"})
        os.set_blocking(writing, False)
        with self.assertRaises(BlockingIOError):
            while True:
                os.write(writing, b" ")
        os.set_blocking(writing, True)
        os.close(writing)
        self.assert_ends(child)


if __name__ == "__main__":
    unittest.main()
