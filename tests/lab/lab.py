#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
The lab: a small cluster on this machine. A containerd, registries that work and registries that do not, a double of
the API server, and a small kubelet. Everything is on loopback and in one folder.

    lab.py up --dir DIR [--speed N] [--old-messages] [--no-kubelet] [--no-sandbox-image]

Writes DIR/lab.json (addresses and paths) when it is ready, and runs until SIGTERM or Ctrl-C. Needs root. Nothing
outlives it, even after SIGKILL.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

try:
    import protos
    import registries
    from api_double import ApiDouble
    from containerd import Containerd
    from procs import HERE, PYTHON, LabError, Process, clean_environment, require, run
    from registry_set import RegistrySet
except ImportError as missing:
    sys.exit(f"lab: {missing}; the lab needs Debian's /usr/bin/python3 with the packages python3-bcrypt, "
             "python3-grpcio, python3-h2 and python3-protobuf")

class Lab:
    """
    A lab in `directory`, or in a new temporary one. Use it as a context manager, in the main thread. At the end it
    removes the directory if it created it and keep_directory() was not called.
    """

    def __init__(self, directory=None, speed=1.0, kubelet=True, old_messages=False, sandbox_image=True,
                 node="lab-node", api_arguments=(), suite=None, kubelet_arguments=()):
        if os.geteuid() != 0:
            raise LabError("the lab needs root, to create namespaces and to listen on port 53 of a loopback address")
        self._remove = directory is None or not os.path.exists(directory)
        self.directory = os.path.abspath(directory or tempfile.mkdtemp(prefix="imagepull-lab-"))
        os.makedirs(self.directory, exist_ok=True)
        self.node, self.speed = node, speed
        self._with_kubelet, self._with_sandbox_image = kubelet, sandbox_image
        self._kubelet_arguments = [*(["--old-messages"] if old_messages else []), *kubelet_arguments]
        # Each lab has its own address, so labs side by side do not share names or ports.
        self.address = "127." + ".".join(str(random.randint(64, 250)) for _ in range(3))
        self._cgroup = "imagepull-lab-" + self.address.replace(".", "-")
        self._parts, self._keeper = [], None
        self._generated = protos.generate(self.path("generated"))
        # Tests hold pulls for as long as a slow machine needs.
        self.containerd = Containerd(self.path("containerd"), self.address, suite, pull_timeout="1h")
        self.api_double = ApiDouble(self.path("api"), api_arguments, self._generated)
        self.registries = RegistrySet(self.directory, self.address)
        self.open, self.private = self.registries.open, self.registries.private

    def path(self, name):
        return os.path.join(self.directory, name)

    # --- start and stop ---

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self._start_keeper()
        run([require("gcc", "gcc"), "-static", "-Os", "-s", "-o", self.path("pause"), os.path.join(HERE, "pause.c")],
            "compiling the pause program")
        with open(self.path("pause"), "rb") as program:
            pause_program = program.read()
        os.makedirs(self.path("containerd"), exist_ok=True)
        self._parts = [self.registries, self.containerd, self.api_double]
        self.registries.start(self.path("pause"))
        self.containerd.start()
        self.api_double.start()

        self.registries.wait_ready()
        for host in self.registries.plain_http_hosts():
            self.containerd.use_plain_http(host)
        self.containerd.wait_ready()
        if self._with_sandbox_image:
            self.containerd.import_sandbox_image(pause_program)
        self.api_double.wait_ready()
        self.api = self.api_double.client()
        if self._with_kubelet:
            self._start_kubelet()
        self._write_description()

    def stop(self):
        for part in reversed(self._parts):
            part.stop()
        self._parts = []
        if self._keeper:
            self._keeper.stdin.close()
            self._keeper.wait(150)
            self._keeper = None

    def keep_directory(self):
        """Do not delete the folder with the logs at the end."""
        self._keeper.stdin.write(b"keep")
        self._keeper.stdin.flush()

    def check(self):
        """Raise an error if a part of the lab has ended."""
        for part in self._parts:
            part.check()

    # --- parts ---

    def _start_keeper(self):
        self._keeper = subprocess.Popen(
            [PYTHON, os.path.join(HERE, "keeper.py"), self._cgroup, self.directory, "yes" if self._remove else "no"],
            stdin=subprocess.PIPE, start_new_session=True, env=clean_environment())

    def _start_kubelet(self):
        self._parts.append(Process("kubelet", [
            PYTHON, os.path.join(HERE, "kubelet.py"), "--api", self.api_double.control_url,
            "--ca", self.api_double.control_ca_file, "--token-file", self.api_double.admin_token_file,
            "--runtime", self.containerd.socket, "--node", self.node,
            "--logs", self.path("pod-logs"), "--cgroup", self._cgroup, "--speed", str(self.speed),
            *self._kubelet_arguments], self.path("kubelet.log"),
            clean_environment(**{protos.GENERATED: self._generated})))

    @property
    def endpoints(self):
        """{name: host:port} of the registries that do not work."""
        return self.registries.endpoints

    # --- how to reach it ---

    def agent_flags(self):
        """The flags with which the agent uses this lab."""
        return [f"--node-name={self.node}", *self.api_double.agent_flags(),
                f"--cri.endpoint={self.containerd.endpoint}"]

    def description(self):
        return {
            "pid": os.getpid(), "node": self.node, "directory": self.directory, "address": self.address,
            "cgroup": self._cgroup, "agent_flags": self.agent_flags(),
            "api": {"url": self.api_double.url, "ca_file": self.api_double.ca_file,
                    "control_url": self.api_double.control_url, "control_ca_file": self.api_double.control_ca_file,
                    "token_file": self.api_double.token_file, "admin_token_file": self.api_double.admin_token_file},
            "containerd": {"socket": self.containerd.socket, "endpoint": self.containerd.endpoint},
            "registries": {"open": self.open.host, "private": self.private.host, **self.endpoints},
            "credentials": {"username": registries.USERNAME, "password": registries.PASSWORD},
        }

    def _write_description(self):
        with open(self.path("lab.json"), "w") as out:
            json.dump(self.description(), out, indent=2)
            out.write("\n")


class Ended(KeyboardInterrupt):
    """A signal asked the program to stop."""


def end_on_signals():
    """SIGTERM and SIGHUP stop the program like Ctrl-C: it cleans up, once."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def end(*_):
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise Ended

    for number in numbers:
        signal.signal(number, end)


def up(args):
    with Lab(args.dir, args.speed, not args.no_kubelet, args.old_messages, not args.no_sandbox_image) as lab:
        print(f"the lab is ready: {lab.path('lab.json')}", flush=True)
        while True:
            lab.check()
            time.sleep(0.5)


def main():
    parser = argparse.ArgumentParser(description="A small cluster on this machine, for tests and demos.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("up", help="start everything and run until SIGTERM or Ctrl-C")
    command.add_argument("--dir", help="where everything is kept (default: a new temporary folder)")
    command.add_argument("--speed", type=float, default=1.0, help="divides the kubelet's waiting times")
    command.add_argument("--old-messages", action="store_true", help="the wording of kubelets before 1.32")
    command.add_argument("--no-kubelet", action="store_true")
    command.add_argument("--no-sandbox-image", action="store_true", help="so that no pod gets its sandbox")
    args = parser.parse_args()
    end_on_signals()
    try:
        up(args)
    except Ended:
        return 0
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
