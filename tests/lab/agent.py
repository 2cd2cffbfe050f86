# SPDX-License-Identifier: Apache-2.0
"""The agent as a child process, and its answers: metrics, failures."""

import http.client
import json
import os
import re
import time

from procs import Process, free_port

_SAMPLE = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$')
_LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


class Sample:
    """One line of /metrics."""

    def __init__(self, line):
        match = _SAMPLE.match(line)
        if not match:
            raise ValueError(f"not a sample: {line!r}")
        self.name, self.line = match.group(1), line
        self.labels = {name: re.sub(r'\\[\\"n]', lambda m: _ESCAPES[m.group()], value)
                       for name, value in _LABEL.findall(match.group(2) or "")}
        self.value = float(match.group(3))


class Metrics:
    def __init__(self, text):
        self.text = text
        self.samples = [Sample(line) for line in text.splitlines() if line and not line.startswith("#")]

    def find(self, name, **labels):
        """The samples of a metric whose labels have these values."""
        return [s for s in self.samples if s.name == name and labels.items() <= s.labels.items()]

    def value(self, name, **labels):
        """The sum of the values that find() finds; None if it finds nothing."""
        found = self.find(name, **labels)
        return sum(s.value for s in found) if found else None


class Agent:
    """Starts at once. Both listeners are on free ports of 127.0.0.1, if `debug` is no other address."""

    def __init__(self, binary, flags, log_path, debug=None):
        self.web, self.debug = ("127.0.0.1", free_port()), ("127.0.0.1", free_port())
        self.flags = [*flags, f"--web.listen-address={self.web[0]}:{self.web[1]}",
                      f"--debug.listen-address={debug or '%s:%d' % self.debug}"]
        self.binary, self.log_path = binary, log_path
        self.requests = 0  # sent to it so far
        self._process = Process("agent", [binary, *self.flags], log_path)

    @property
    def pid(self):
        return self._process.pid

    def get(self, path, address=None, method="GET", body=None):
        """(status, body) of one request to the debug listener, or to `address`."""
        self.requests += 1
        connection = http.client.HTTPConnection(*(address or self.debug), timeout=120)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def ready(self):
        """Whether the agent has read the first list of pods."""
        try:
            return self.get("/-/ready", self.web)[0] == 200
        except OSError:
            return False

    def wait_ready(self, seconds=300):
        self._process.wait_until(self.ready, "/-/ready", seconds)

    def wait_listening(self, seconds=300):
        def listening():
            try:
                return self.get("/-/healthy", self.web)[0]
            except OSError:
                return False

        self._process.wait_until(listening, "an answer on its port", seconds)

    def metrics(self):
        status, text = self.get("/metrics", self.web)
        if status != 200:
            raise AssertionError(f"/metrics answered {status}")
        return Metrics(text)

    def failures(self):
        """{(pod, container): failure} of /debug/failures."""
        return {(f["pod"], f["container"]): f for f in json.loads(self.get("/debug/failures")[1])["failures"]}

    def failures_of(self, namespace, pod=None):
        """The failures of a namespace, or of one pod in it."""
        path = f"/debug/failures/{namespace}/{pod}" if pod else "/debug/failures"
        return [f for f in json.loads(self.get(path)[1]).get("failures", ()) if f["namespace"] == namespace]

    def memory(self, field):
        """Bytes of a field of /proc/PID/status, such as VmRSS."""
        with open(f"/proc/{self._process.pid}/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field + ":"))

    def anonymous_bytes(self):
        """Its resident memory without file pages, which the kernel may drop at any time."""
        return self.memory("RssAnon")

    def peak_bytes(self):
        """The most resident memory that it has ever had, file pages included."""
        return self.memory("VmHWM")

    def cpu_seconds(self):
        """Its processor time so far, in user and kernel mode."""
        with open(f"/proc/{self._process.pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def check(self):
        self._process.check()

    def stop(self):
        """Send SIGTERM, after a minute SIGKILL. Returns (exit status, seconds until it exits)."""
        started = time.monotonic()
        status = self._process.stop(seconds=60)
        return status, time.monotonic() - started
