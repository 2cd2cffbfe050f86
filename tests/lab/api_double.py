# SPDX-License-Identifier: Apache-2.0
"""Starts the double of the API server with certificates and tokens of its own."""

import json
import os
import secrets
import shutil
import urllib.parse

import certs
import protos
from api_auth import ADMIN_USER, AGENT_USER
from kube_client import KubeClient
from procs import HERE, PYTHON, Process, clean_environment, free_port

RBAC = os.path.join(os.path.dirname(os.path.dirname(HERE)), "deploy", "rbac")


class ApiDouble:
    """Its files are in `folder`. After stop(), start() starts a new, empty one at the same address."""

    def __init__(self, folder, arguments=(), generated=None):
        """`generated`: the folder of the protobuf classes, if they exist already."""
        self.folder, self._arguments, self._generated = folder, list(arguments), generated
        self.ca_file = os.path.join(folder, "ca.crt")
        self.token_file, self.admin_token_file = os.path.join(folder, "token"), os.path.join(folder, "admin-token")
        self.control_ca_file = os.path.join(folder, "control-ca.crt")
        self.url, self.control_url, self._process, self._files = None, None, None, None
        self._client = None

    def prepare(self):
        """Make the certificates and tokens, if it was not done before."""
        os.makedirs(self.folder)
        self._generated = self._generated or protos.generate(os.path.join(self.folder, "generated"))
        cert, key = self._make_certificate("ca", "api")
        shutil.copy(self.ca_file, self.control_ca_file)
        for file in (cert, key):
            shutil.copy(file, os.path.join(self.folder, "control-" + os.path.basename(file)))
        self._files = ["--cert", cert, "--key", key, "--control-cert", os.path.join(self.folder, "control-api.crt"),
                       "--control-key", os.path.join(self.folder, "control-api.key"),
                       "--rbac", os.path.join(RBAC, "api.yaml"), "--tokens", os.path.join(self.folder, "tokens.json"),
                       "--ready", os.path.join(self.folder, "ready.json")]
        self._write(self.admin_token_file, secrets.token_hex(16))
        self.rotate_token()

    def _make_certificate(self, ca_name, name):
        ca = certs.make_ca(self.folder, ca_name)
        return certs.make_server_certificate(self.folder, name, ca, ["IP:127.0.0.1", "DNS:localhost"])

    def rotate_token(self):
        """Write a new token for the agent to its file and refuse the old one."""
        self.write_token(self.expire_token())

    def expire_token(self):
        """Refuse the agent's token. Returns the new one, for write_token()."""
        token = secrets.token_hex(16)
        with open(self.admin_token_file) as admin:
            users = {token: AGENT_USER, admin.read(): ADMIN_USER}
        self._write(os.path.join(self.folder, "tokens.json"), json.dumps(users))
        return token

    def write_token(self, token):
        self._write(self.token_file, token)

    def change_certificate(self):
        """Use a certificate of another CA for new connections. Returns that CA, for write_ca()."""
        cert, key = self._make_certificate("new-ca", "new-api")
        for file in (cert, key):
            os.rename(file, file.replace("new-api", "api"))
        self.control("certificate")
        with open(os.path.join(self.folder, "new-ca.crt")) as ca:
            return ca.read()

    def write_ca(self, text):
        self._write(self.ca_file, text)

    @staticmethod
    def _write(path, text):
        with open(path + ".part", "w") as part:
            part.write(text)
        os.rename(path + ".part", path)

    def start(self):
        """Start it without waiting; see wait_ready()."""
        if self._files is None:
            self.prepare()
        port = urllib.parse.urlsplit(self.url).port if self.url else free_port()
        self._process = Process(
            "API server", [PYTHON, os.path.join(HERE, "apiserver.py"), *self._files, "--port", str(port), *self._arguments],
            os.path.join(self.folder, "..", "apiserver.log"), clean_environment(**{protos.GENERATED: self._generated}))

    def wait_ready(self):
        ready = os.path.join(self.folder, "ready.json")
        self._process.wait_until(lambda: os.path.exists(ready), "its address")
        with open(ready) as answer:
            urls = json.load(answer)
        self.url, self.control_url = urls["url"], urls["control_url"]
        os.unlink(ready)

    def client(self):
        """A client with all rights, on the port without faults."""
        if self._client is None:
            self._client = KubeClient(self.control_url, self.control_ca_file, self.admin_token_file)
        return self._client

    # --- misbehaviour: see api_control.py and api_faults.py ---

    def control(self, path, method="POST", **command):
        return self.client().call(method, "/lab/" + path, command)

    def fault(self, name, **options):
        """Spoil the next requests."""
        self.control("faults", fault=name, **options)

    def clear_faults(self):
        self.control("faults", "DELETE")

    def spoil_streams(self, name, **options):
        """Spoil the streams that are open."""
        self.control("streams", fault=name, **options)

    def cut(self):
        self.control("connections", do="cut")

    def go_away(self):
        self.control("connections", do="go-away")

    def listen(self, up):
        """Stop or start listening, like a server that restarts. Its objects stay."""
        self.control("listener", up=up)

    def agent_flags(self):
        return [f"--kube.server={self.url}", f"--kube.ca-file={self.ca_file}", f"--kube.token-file={self.token_file}"]

    def check(self):
        self._process.check()

    def stop(self):
        if self._client:
            self._client.close()
            self._client = None
        if self._process:
            self._process.stop(seconds=0)
