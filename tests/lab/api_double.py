# SPDX-License-Identifier: Apache-2.0
"""Starts the API-server double with certificates and tokens of its own, and knows how to reach it."""

import json
import os
import secrets
import urllib.parse

import certs
import protos
from api_auth import ADMIN_USER, AGENT_USER
from kube_client import KubeClient
from procs import HERE, PYTHON, Process, clean_environment


class ApiDouble:
    """Its files are in `folder`. After stop(), start() brings up a new, empty one at the same address."""

    def __init__(self, folder, arguments=(), generated=None):
        """`generated`: where the protobuf classes are, if somebody made them already."""
        self.folder, self._arguments, self._generated = folder, list(arguments), generated
        self.ca_file = os.path.join(folder, "ca.crt")
        self.token_file, self.admin_token_file = os.path.join(folder, "token"), os.path.join(folder, "admin-token")
        self.url, self._process, self._files = None, None, None

    def prepare(self):
        """Make the certificates and tokens. start() does it when nobody did before."""
        os.makedirs(self.folder)
        self._generated = self._generated or protos.generate(os.path.join(self.folder, "generated"))
        ca = certs.make_ca(self.folder, "ca")
        cert, key = certs.make_server_certificate(self.folder, "api", ca, ["IP:127.0.0.1", "DNS:localhost"])
        self._files = ["--cert", cert, "--key", key, "--tokens", os.path.join(self.folder, "tokens.json"),
                       "--ready", os.path.join(self.folder, "ready.json")]
        self._write(self.admin_token_file, secrets.token_hex(16))
        self.rotate_token()

    def rotate_token(self):
        """A new token for the agent, in the same file; the old one is refused from now on."""
        token = secrets.token_hex(16)
        with open(self.admin_token_file) as admin:
            users = {token: AGENT_USER, admin.read(): ADMIN_USER}
        self._write(os.path.join(self.folder, "tokens.json"), json.dumps(users))
        self._write(self.token_file, token)

    @staticmethod
    def _write(path, text):
        with open(path + ".part", "w") as part:
            part.write(text)
        os.rename(path + ".part", path)

    def start(self):
        """Returns at once; wait_ready() waits."""
        if self._files is None:
            self.prepare()
        port = [] if self.url is None else ["--port", str(urllib.parse.urlsplit(self.url).port)]
        self._process = Process(
            "API server", [PYTHON, os.path.join(HERE, "apiserver.py"), *self._files, *port, *self._arguments],
            os.path.join(self.folder, "..", "apiserver.log"), clean_environment(**{protos.GENERATED: self._generated}))

    def wait_ready(self):
        ready = os.path.join(self.folder, "ready.json")
        self._process.wait_until(lambda: os.path.exists(ready), "its address")
        with open(ready) as answer:
            self.url = json.load(answer)["url"]
        os.unlink(ready)

    def client(self):
        """A client with all rights."""
        return KubeClient(self.url, self.ca_file, self.admin_token_file)

    def agent_flags(self):
        return [f"--kube.server={self.url}", f"--kube.ca-file={self.ca_file}", f"--kube.token-file={self.token_file}"]

    def check(self):
        self._process.check()

    def stop(self):
        if self._process:
            self._process.stop(seconds=0)
