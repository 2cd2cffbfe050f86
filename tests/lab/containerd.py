# SPDX-License-Identifier: Apache-2.0
"""
A containerd of the lab's own: own root, state, socket and configuration in one folder.

It runs in its own PID and mount namespaces. So the end of its first process is the end of
every shim and container, and every mount goes with the namespace: nothing has to be undone,
not even after a SIGKILL. /run and /etc/resolv.conf inside are the lab's, so that shims keep
their sockets to themselves and no name is ever looked up outside of loopback.
"""

import os
import signal
import socket

import cri
import generations
from images import pause_image
from procs import LabError, Process, clean_environment, require, run

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

# $1 resolv.conf, $2 containerd, $3 its configuration, $4 a file that says that it is down on purpose. The shell
# stays: it is the first process of the namespace, and shims whose parent is gone become its children to bury.
_ENTER = """\
mount -t tmpfs tmpfs /run && mount --bind "$1" /etc/resolv.conf || exit
while :; do
    "$2" --config "$3"
    status=$?
    [ -e "$4" ] || exit $status
    : >"$4.now"
    while [ -e "$4" ]; do sleep 0.02; done
    rm "$4.now"
done
"""

# What containerd runs to decompress a layer, where it finds it: gzip, once nobody holds it back.
_UNPIGZ = """\
#!/bin/sh
while [ -e "{gate}" ]; do sleep 0.05; done
exec gzip -d -c
"""


def _children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return [int(child) for child in children.read().split()]


class Containerd:
    """Debian's containerd of `suite` (see generations.py), or the installed one."""

    def __init__(self, root, nameserver, suite=None):
        self.root = root
        self.socket = os.path.join(root, "containerd.sock")
        self._nameserver, self._suite = nameserver, suite
        self._programs = []  # folders searched before the machine's
        self._process = None
        self._gate = os.path.join(root, "unpacking-is-held")
        self._down = os.path.join(root, "is-down")

    @property
    def endpoint(self):
        return "unix://" + self.socket

    def start(self):
        os.makedirs(os.path.join(self.root, "certs.d"))
        os.makedirs(os.path.join(self.root, "bin"))
        fetched = generations.folder(self._suite)
        self._programs = [os.path.join(self.root, "bin"), *([fetched] if fetched else [])]
        self._write("config.toml", _CONFIG.format(root=self.root, sandbox_image=SANDBOX_IMAGE))
        self._write("resolv.conf", f"nameserver {self._nameserver}\noptions timeout:1 attempts:1\n")
        os.chmod(self._write("bin/unpigz", _UNPIGZ.format(gate=self._gate)), 0o755)
        require("runc", "runc")
        self._process = Process(
            "containerd",
            [require("unshare", "util-linux"), "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
             "--propagation", "private", "--", "sh", "-c", _ENTER, "sh", os.path.join(self.root, "resolv.conf"),
             self._program("containerd"), os.path.join(self.root, "config.toml"), self._down],
            os.path.join(self.root, "..", "containerd.log"), self._environment())

    def _program(self, name):
        return require(name, "containerd", self._path())

    def _path(self):
        return os.pathsep.join([*self._programs, os.environ.get("PATH", os.defpath)])

    def _environment(self):
        return clean_environment(PATH=self._path())

    def wait_ready(self):
        # Not with CRI at once: a client that is refused waits before it tries again.
        self._process.wait_until(self._accepts, "its socket")
        client = cri.Cri(self.socket)
        try:
            self._process.wait_until(lambda: self._answers(client), "an answer from CRI")
        finally:
            client.close()

    def _accepts(self):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.socket) == 0

    @staticmethod
    def _answers(client):
        try:
            return client.version()
        except cri.grpc.RpcError:
            return None

    def version(self):
        """As CRI tells it."""
        client = cri.Cri(self.socket)
        try:
            return client.version().runtime_version
        finally:
            client.close()

    def import_sandbox_image(self, pause_program):
        archive = os.path.join(self.root, "pause.tar")
        pause_image(pause_program).write_archive(archive, SANDBOX_IMAGE)
        # From 2.0 on ctr leaves it to the daemon, unless told otherwise.
        local = [] if self.version().startswith("1.") else ["--local"]
        self.ctr("images", "import", *local, "--snapshotter", "native", archive)

    def ctr(self, *arguments):
        """Run its own ctr in the kubelet's namespace; returns what it prints."""
        return run([self._program("ctr"), "-a", self.socket, "-n", "k8s.io", *arguments],
                   f"ctr {' '.join(arguments[:2])}")

    def use_plain_http(self, host):
        """Tell the runtime that this registry (host:port) speaks HTTP. Read at the next pull."""
        folder = os.path.join(self.root, "certs.d", host)
        os.makedirs(folder)
        with open(os.path.join(folder, "hosts.toml"), "w") as hosts:
            # Without the empty table 1.6 does not read the file at all.
            hosts.write(f'server = "http://{host}"\n[host]\n')

    # --- what may happen to a runtime ---

    def take_down(self, number=signal.SIGTERM):
        """End the daemon, until bring_up(). Its shims and containers live on, and its socket stays behind."""
        self._write(os.path.basename(self._down), "")
        os.kill(self.pid(), number)
        self._process.wait_until(lambda: os.path.exists(self._down + ".now"), "its end")

    def bring_up(self):
        os.unlink(self._down)
        self.wait_ready()

    def restart(self):
        self.take_down()
        self.bring_up()

    def pid(self):
        """The daemon's own process: a grandchild of what we started, below unshare and the shell."""
        shell = _children(self._process.pid)[0]
        for pid in _children(shell):
            with open(f"/proc/{pid}/comm") as name:
                if name.read().strip() == "containerd":
                    return pid
        raise LabError("containerd: it is not running")

    def hang(self):
        """It keeps its socket and answers nothing, until resume()."""
        os.kill(self.pid(), signal.SIGSTOP)

    def resume(self):
        os.kill(self.pid(), signal.SIGCONT)

    def hold_unpacking(self):
        """Layers that have arrived are not unpacked, until let_unpack()."""
        self._write(os.path.basename(self._gate), "")

    def let_unpack(self):
        os.unlink(self._gate)

    # --- the end ---

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
