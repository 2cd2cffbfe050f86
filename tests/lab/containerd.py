# SPDX-License-Identifier: Apache-2.0
"""
A containerd of the lab's own: own root, state, socket and configuration in one folder.

It runs in its own PID and mount namespaces. So the end of its first process is the end of
every shim and container, and every mount goes with the namespace: nothing has to be undone,
not even after a SIGKILL. /run and /etc/resolv.conf inside are the lab's, so that shims keep
their sockets to themselves and no name is ever looked up outside of loopback.
"""

import os

import cri
from images import pause_image
from procs import Process, require, run

SANDBOX_IMAGE = "lab.local/pause:1"

_CONFIG = """\
version = 2
root = "{root}/root"
state = "{root}/state"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp",
]
[grpc]
  address = "{root}/containerd.sock"
[ttrpc]
  address = "{root}/containerd.sock.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "{root}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{sandbox_image}"
  # Without CAP_SYS_RESOURCE nobody may lower an OOM score, and sandboxes ask for it.
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    # Works wherever the folder is, also on an overlay file system.
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{root}/certs.d"
"""

# $1 resolv.conf, $2 containerd, $3 its configuration. The shell stays: it is the first process of the
# namespace, and shims whose parent is gone become its children to bury.
_ENTER = 'mount -t tmpfs tmpfs /run && mount --bind "$1" /etc/resolv.conf && "$2" --config "$3"; exit $?'


class Containerd:
    def __init__(self, root, nameserver):
        self.root = root
        self.socket = os.path.join(root, "containerd.sock")
        self._nameserver = nameserver
        self._process = None

    @property
    def endpoint(self):
        return "unix://" + self.socket

    def start(self):
        os.makedirs(os.path.join(self.root, "certs.d"))
        config = self._write("config.toml", _CONFIG.format(root=self.root, sandbox_image=SANDBOX_IMAGE))
        resolv_conf = self._write("resolv.conf", f"nameserver {self._nameserver}\noptions timeout:1 attempts:1\n")
        containerd = require("containerd", "containerd")
        require("runc", "runc")
        self._process = Process(
            "containerd",
            [require("unshare", "util-linux"), "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
             "--propagation", "private", "--", "sh", "-c", _ENTER, "sh", resolv_conf, containerd, config],
            os.path.join(self.root, "..", "containerd.log"))

    def wait_ready(self):
        self._process.wait_until(lambda: os.path.exists(self.socket), "its socket")
        client = cri.Cri(self.socket)
        try:
            self._process.wait_until(lambda: self._answers(client), "an answer from CRI")
        finally:
            client.close()

    @staticmethod
    def _answers(client):
        try:
            return client.version()
        except cri.grpc.RpcError:
            return None

    def import_sandbox_image(self, pause_program):
        archive = os.path.join(self.root, "pause.tar")
        pause_image(pause_program).write_archive(archive, SANDBOX_IMAGE)
        run([require("ctr", "containerd"), "-a", self.socket, "-n", "k8s.io", "images", "import",
             "--snapshotter", "native", archive], "importing the sandbox image")

    def use_plain_http(self, host):
        """Tell the runtime that this registry (host:port) speaks HTTP. Read at the next pull."""
        folder = os.path.join(self.root, "certs.d", host)
        os.makedirs(folder)
        with open(os.path.join(folder, "hosts.toml"), "w") as hosts:
            # Without the empty table this version does not read the file at all.
            hosts.write(f'server = "http://{host}"\n[host]\n')

    def check(self):
        self._process.check()

    def stop(self):
        if self._process:
            # Its state is thrown away, so there is nothing to wait for.
            self._process.stop(seconds=0)

    def _write(self, name, text):
        path = os.path.join(self.root, name)
        with open(path, "w") as out:
            out.write(text)
        return path
