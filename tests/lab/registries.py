# SPDX-License-Identifier: Apache-2.0
"""Debian's docker-registry, once without and once with a password, with images in it."""

import os
import re

import bcrypt

from images import Image, Pusher, pause_image
from procs import Process, free_port, listens, require

USERNAME, PASSWORD = "lab", "correct-horse"

_CONFIG = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: false}}}}
storage: {{filesystem: {{rootdirectory: {folder}/storage}}, maintenance: {{uploadpurging: {{enabled: false}}}}}}
http: {{addr: "{address}:{port}", secret: lab}}
"""
_HTPASSWD = "auth: {{htpasswd: {{realm: lab, path: {path}}}}}\n"


class Registry:
    """One registry at `host` (NAME.lab:port). The runtime uses that name, this process its address."""

    def __init__(self, folder, name, address, password=None):
        self.folder, self.name, self.password = os.path.join(folder, name), name, password
        self.address, self.port = address, free_port(address)
        self.host = f"{name}.lab:{self.port}"
        self._process = None

    def start(self):
        os.makedirs(self.folder)
        text = _CONFIG.format(folder=self.folder, address=self.address, port=self.port)
        if self.password is not None:
            text += _HTPASSWD.format(path=self._write_htpasswd())
        config = os.path.join(self.folder, "config.yml")
        with open(config, "w") as out:
            out.write(text)
        self._log = os.path.join(self.folder, "..", f"registry-{self.name}.log")
        self._process = Process(f"registry {self.name}",
                                [require("docker-registry", "docker-registry"), "serve", config], self._log)

    def _write_htpasswd(self):
        path = os.path.join(self.folder, "htpasswd")
        # The lowest cost of bcrypt, because the registry computes it for every request.
        with open(path, "wb") as out:
            out.write(USERNAME.encode() + b":" + bcrypt.hashpw(self.password.encode(), bcrypt.gensalt(4)) + b"\n")
        return path

    def wait_ready(self):
        self._process.wait_until(lambda: listens(self.address, self.port), f"port {self.port}")

    def push(self, image, repository, tag):
        pair = (USERNAME, self.password) if self.password is not None else ()
        Pusher(f"{self.address}:{self.port}", *pair).push(image, repository, tag)

    def image(self, repository, tag):
        return f"{self.host}/{repository}:{tag}"

    def bytes_sent(self, repository, client="containerd/"):
        """{digest or tag: bytes} of the blobs and manifests that `client` got, from the log of the registry."""
        asked = re.compile(rf'"GET /v2/{re.escape(repository)}/(?:blobs|manifests)/(\S+) \S+" 200 (\d+) "[^"]*" '
                           rf'"{re.escape(client)}')
        with open(self._log, errors="replace") as log:
            return {name: int(size) for name, size in asked.findall(log.read())}

    def check(self):
        self._process.check()

    def stop(self):
        if self._process:
            self._process.stop(seconds=1)


def fill(open_registry, private_registry, pause_program, big_bytes):
    """The images of every lab: lab/pause:1 in both registries, lab/big:1 in the open one."""
    pause = pause_image(pause_program)
    open_registry.push(pause, "lab/pause", "1")
    private_registry.push(pause, "lab/pause", "1")
    big = Image([{"pause": pause_program}, {"ballast": os.urandom(big_bytes)}])
    open_registry.push(big, "lab/big", "1")
