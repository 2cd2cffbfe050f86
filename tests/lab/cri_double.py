# SPDX-License-Identifier: Apache-2.0
"""A container runtime that behaves as it is told: cri_server, whose commands are in the head of cri_server.c."""

import os
import signal
import subprocess

from procs import LabError, clean_environment

ANSWER_MAX = 200


class CriDouble:
    """Serves CRI at `socket` when it is made. The kernel kills it with the thread that made it."""

    def __init__(self, program, socket):
        self.program, self.socket, self._child = program, socket, None
        self.start()

    @property
    def endpoint(self):
        return "unix://" + self.socket

    def start(self):
        """Also again, after kill(): a new one at the same path, a containerd in good health."""
        self._child = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", self.program, self.socket], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env=clean_environment(), text=True, bufsize=1, start_new_session=True)
        self._expect("ready")

    def tell(self, *words):
        """One command; returns what follows "ok"."""
        self._child.stdin.write(" ".join(map(str, words)) + "\n")
        return self._expect("ok", words)

    def calls(self, method):
        return int(self.tell("calls", method))

    def _expect(self, word, command=()):
        answer = self._child.stdout.readline(ANSWER_MAX).strip()
        if not answer.startswith(word):
            raise LabError(f"the runtime's double answered {answer!r} to {' '.join(map(str, command))!r}")
        return answer.removeprefix(word).strip()

    def kill(self):
        """As a runtime dies that crashes: its socket stays behind, and nobody listens on it."""
        os.kill(self._child.pid, signal.SIGKILL)
        self._end()

    def stop(self):
        """Its input ends; fine when it has ended already."""
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
