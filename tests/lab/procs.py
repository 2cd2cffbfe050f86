# SPDX-License-Identifier: Apache-2.0
"""Child processes that cannot outlive the lab, and waiting."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time

PYTHON = sys.executable
HERE = os.path.dirname(os.path.abspath(__file__))
_kept_ports = []

# The lab ignores the proxy settings of the machine, because everything in it is on loopback.
_PROXY = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class LabError(Exception):
    """Something that the lab needs is missing or did not start. The text says what to do."""


def require(program, package, path=None):
    """The path of `program` in `path` or $PATH. If it is missing, the error names its Debian package."""
    path = shutil.which(program, path=path)
    if path is None:
        raise LabError(f"the lab needs '{program}' (Debian package {package}), which is not installed")
    return path


def wait_for(condition, what, seconds=300, interval=0.02):
    """Call `condition` until it returns something true, and return that."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise LabError(f"timeout after {seconds:g} s: {what}")
        time.sleep(interval)


def free_port(address="127.0.0.1"):
    """
    A free TCP port, for servers that cannot report the port that they get. This process keeps it until it ends, so
    that the kernel gives it to no other socket before the server has started. The server must set SO_REUSEADDR.
    """
    kept = socket.socket()
    kept.bind((address, 0))
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _kept_ports.append(kept)
    return kept.getsockname()[1]


def listens(address, port):
    """Whether a connection to address:port is accepted."""
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False


def clean_environment(**extra):
    """This process's environment without proxies, plus `extra`."""
    env = {k: v for k, v in os.environ.items() if k.lower() not in _PROXY}
    env.update(PYTHONUNBUFFERED="1", PYTHONDONTWRITEBYTECODE="1", **extra)
    return env


class Process:
    """
    One child in its own process group, its output in a file. The kernel kills it when
    this process dies (PR_SET_PDEATHSIG, set by setpriv before the program starts), so
    start it from a thread that lives as long as the lab.
    """

    def __init__(self, name, argv, log_path, env=None):
        self.name = name
        self.log_path = log_path
        with open(log_path, "ab") as log:
            self._child = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=env or clean_environment(),
                start_new_session=True,
            )

    @property
    def pid(self):
        return self._child.pid

    def ended(self):
        """The exit status; None while it runs."""
        return self._child.poll()

    def check(self):
        """Raise an error with the end of its log if it has ended."""
        status = self.ended()
        if status is not None:
            raise LabError(f"{self.name} exited with status {status}; the end of {self.log_path}:\n{self.tail()}")

    def tail(self, lines=15):
        with open(self.log_path, errors="replace") as log:
            return "".join(log.readlines()[-lines:])

    def wait_until(self, condition, what, seconds=300):
        """Wait for `condition`. Raise an error if the child ends before."""

        def alive_and_ready():
            self.check()
            return condition()

        return wait_for(alive_and_ready, f"{self.name}: {what} (its log is {self.log_path})", seconds)

    def wait(self, seconds):
        """Wait until it ends by itself. Returns the exit status; raises after `seconds`."""
        return self._child.wait(seconds)

    def signal(self, number):
        if self.ended() is None:
            os.kill(self._child.pid, number)

    def stop(self, seconds=10.0):
        """Send SIGTERM, after `seconds` SIGKILL, also to its process group. Returns the exit status."""
        self.signal(signal.SIGTERM)
        try:
            self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self._kill_group()
            self._child.wait()
        self._kill_group()
        return self._child.returncode

    def _kill_group(self):
        try:
            os.killpg(self._child.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


def run(argv, what, **kwargs):
    """Run a short command to its end. If it fails, the error contains its output."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, env=clean_environment(), **kwargs)
    if done.returncode != 0:
        raise LabError(f"{what}: '{argv[0]}' exited with status {done.returncode}:\n{done.stdout.strip()}")
    return done.stdout


def write_ready_file(path, text):
    """Write the file with one rename, so that a reader never sees half of it."""
    with open(path + ".part", "w") as part:
        part.write(text)
    os.rename(path + ".part", path)
