# SPDX-License-Identifier: Apache-2.0
"""A container runtime that tests control: cri_server. Its commands are at the top of cri_server.c."""

import os
import signal
import subprocess

from procs import LabError, clean_environment

ANSWER_MAX = 200


class CriDouble:
    """Serves CRI at `socket` at once. The kernel kills it when the thread that created it ends."""

    def __init__(self, program, socket):
        self.program, self.socket, self._child = program, socket, None
        self.start()

    @property
    def endpoint(self):
        return "unix://" + self.socket

    def start(self):
        """Start a healthy containerd; after kill() a new one at the same path."""
        self._child = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", self.program, self.socket], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env=clean_environment(), text=True, bufsize=1, start_new_session=True)
        self._expect("ready")

    def tell(self, *words):
        """Send one command. Returns the text after "ok"."""
        self._child.stdin.write(" ".join(map(str, words)) + "\n")
        return self._expect("ok", words)

    def calls(self, method):
        return int(self.tell("calls", method))

    def _expect(self, word, command=()):
        answer = self._child.stdout.readline(ANSWER_MAX).strip()
        if not answer.startswith(word):
            raise LabError(f"cri_server answered {answer!r} to {' '.join(map(str, command))!r}")
        return answer.removeprefix(word).strip()

    def kill(self):
        """Kill it, like a crash: the socket file remains, and nobody listens."""
        os.kill(self._child.pid, signal.SIGKILL)
        self._end()

    def stop(self):
        """Close its input, so that it ends. It may have ended already."""
        if self._child:
            self._child.stdin.close()
            self._end()

    def _end(self):
        try:
            self._child.wait(60)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child.stdout.close()
        self._child.stdin.close()
        self._child = None
