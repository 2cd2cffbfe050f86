# SPDX-License-Identifier: Apache-2.0
"""One program of the cluster that can be stopped, killed, paused and started again."""

import os
import signal

from procs import Process


class Component:
    """`command` is called at each start and returns the arguments. The log of all starts is in one file."""

    def __init__(self, name, command, log_path, environment=None):
        self.name, self.log_path = name, log_path
        self._command, self._environment = command, environment
        self._process = None

    def start(self):
        self._process = Process(self.name, self._command(), self.log_path, self._environment)

    def stop(self, seconds=30):
        """SIGTERM, and SIGKILL after `seconds`."""
        if self._process:
            self._process.stop(seconds)
            self._process = None

    def kill(self):
        """SIGKILL, as when its machine fails."""
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait(60)
        self._process = None

    def pause(self):
        """SIGSTOP until resume(): it keeps its connections and does not answer."""
        self._process.signal(signal.SIGSTOP)

    def resume(self):
        self._process.signal(signal.SIGCONT)

    def restart(self):
        self.stop()
        self.start()

    @property
    def pid(self):
        return self._process.pid

    def check(self):
        """Raise an error with the end of its log if it ended by itself."""
        if self._process:
            self._process.check()

    def wait_until(self, condition, what, seconds=300):
        return self._process.wait_until(condition, what, seconds)

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()
