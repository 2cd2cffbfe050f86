# SPDX-License-Identifier: Apache-2.0
"""The registries of one lab or cluster, those that work and those that do not, and their DNS."""

import http.client
import json
import os

import certs
import registries
from procs import HERE, PYTHON, LabError, Process

BIG_IMAGE_BYTES = 8 << 20


class RegistrySet:
    """All of them are at `address`. Their files and logs are in `directory`."""

    def __init__(self, directory, address):
        self._directory, self._address = directory, address
        self.open = registries.Registry(self._path("registry"), "open", address)
        self.private = registries.Registry(self._path("registry"), "private", address, registries.PASSWORD)
        self.endpoints = {}  # name: host:port
        self._plain_http = []
        self._processes = []

    def _path(self, name):
        return os.path.join(self._directory, name)

    def start(self, pause_path):
        """Start all of them. `pause_path` is the program in their images."""
        os.makedirs(self._path("registry"), exist_ok=True)
        self._pause_path = pause_path
        ca = certs.make_ca(self._directory, "unknown-ca")
        cert, key = certs.make_server_certificate(self._directory, "untrusted", ca, ["DNS:untrusted.lab"])
        self._misbehaving = Process(
            "endpoints", [PYTHON, os.path.join(HERE, "endpoints.py"), "--pause", pause_path, "--address", self._address,
                          "--cert", cert, "--key", key, "--ready", self._path("endpoints.json")],
            self._path("endpoints.log"))
        self._processes = [self._misbehaving, self.open, self.private]
        for registry in (self.open, self.private):
            registry.start()

    def wait_ready(self):
        """Wait until they listen, and push the images of every lab."""
        for registry in (self.open, self.private):
            registry.wait_ready()
        with open(self._pause_path, "rb") as program:
            registries.fill(self.open, self.private, program.read(), BIG_IMAGE_BYTES)
        self._misbehaving.wait_until(lambda: os.path.exists(self._path("endpoints.json")), "all ports")
        with open(self._path("endpoints.json")) as answer:
            found = json.load(answer)
        self.endpoints = {name: entry["host"] for name, entry in found.items()}
        self._plain_http = [entry["host"] for entry in found.values() if entry["scheme"] == "http"]

    def plain_http_hosts(self):
        """host:port of every registry that does not use TLS."""
        return [self.open.host, self.private.host, *self._plain_http]

    def set_pace(self, endpoint, rate=None):
        """Set the rate at which it sends its layer: bytes a second, 0 for silence, None for no limit."""
        query = "" if rate is None else f"?rate={rate}"
        connection = http.client.HTTPConnection(self._address, self.endpoints[endpoint].rpartition(":")[2], timeout=120)
        try:
            connection.request("GET", "/lab/pace" + query)
            if connection.getresponse().status != 200:
                raise LabError(f"the endpoint '{endpoint}' has no pace that can be set")
        finally:
            connection.close()

    def check(self):
        for process in self._processes:
            process.check()

    def stop(self):
        for process in reversed(self._processes):
            process.stop()
        self._processes = []
