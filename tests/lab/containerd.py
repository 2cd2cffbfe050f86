# SPDX-License-Identifier: Apache-2.0
"""
The lab's containerd: root, state, socket and configuration are in one folder.

It runs in PID and mount namespaces of its own, unless the caller's are (`namespaces=False`). When the first process
ends, the kernel ends every shim and container and removes every mount, so nothing must be cleaned up, even after
SIGKILL. /run and /etc/resolv.conf inside are the lab's: shims do not share sockets with others, and names are only
looked up on loopback.
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
  address = "{socket}"
[ttrpc]
  address = "{socket}.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "{root}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{sandbox_image}"
  # Since 1.7. Earlier versions ignore it.
  image_pull_progress_timeout = "{pull_timeout}"
  # Sandboxes lower their OOM score, which needs CAP_SYS_RESOURCE.
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    # This snapshotter works in any folder, also on an overlay file system.
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{root}/certs.d"
"""

# $1 resolv.conf
_ENTER = 'mount -t tmpfs tmpfs /run && mount --bind "$1" /etc/resolv.conf || exit; shift;'
# $1 containerd, $2 its configuration, $3 a file that exists while containerd is down on purpose. The shell stays: it is
# the first process of the namespace and reaps the shims whose parent has ended.
_RUN = """\
while :; do
    "$1" --config "$2"
    status=$?
    [ -e "$3" ] || exit $status
    : >"$3.now"
    while [ -e "$3" ]; do sleep 0.02; done
    rm "$3.now"
done
"""

# containerd runs this to decompress a layer. It waits while the gate file exists.
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

    def __init__(self, root, nameserver, suite=None, namespaces=True, socket_path=None, more_config="",
                 pull_timeout="5m"):
        """
        `more_config` is appended to its configuration. It cancels a pull that gets no bytes for `pull_timeout`, by
        default as on a real node.
        """
        self.root = root
        self.socket = socket_path or os.path.join(root, "containerd.sock")
        self._nameserver, self._suite, self._namespaces = nameserver, suite, namespaces
        self._config, self._pull_timeout = _CONFIG + more_config, pull_timeout
        self._programs = []  # folders that are searched before $PATH
        self._process = None
        self._gate = os.path.join(root, "unpacking-is-held")
        self._down = os.path.join(root, "is-down")

    @property
    def endpoint(self):
        return "unix://" + self.socket

    def start(self):
        os.makedirs(os.path.join(self.root, "certs.d"))
        os.makedirs(os.path.join(self.root, "bin"), exist_ok=True)
        fetched = generations.folder(self._suite)
        self._programs = [os.path.join(self.root, "bin"), *([fetched] if fetched else [])]
        self._write("config.toml", self._config.format(
            root=self.root, socket=self.socket, sandbox_image=SANDBOX_IMAGE, pull_timeout=self._pull_timeout))
        # The server always answers. A short timeout would make a slow machine look like broken DNS.
        self._write("resolv.conf", f"nameserver {self._nameserver}\noptions timeout:100 attempts:1\n")
        os.chmod(self._write("bin/unpigz", _UNPIGZ.format(gate=self._gate)), 0o755)
        require("runc", "runc")
        self._process = Process("containerd", self._command(), os.path.join(self.root, "..", "containerd.log"),
                                self._environment())

    def _command(self):
        program = [self._program("containerd"), os.path.join(self.root, "config.toml"), self._down]
        if not self._namespaces:
            return ["sh", "-c", _RUN, "sh", *program]
        return [require("unshare", "util-linux"), "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                "--propagation", "private", "--", "sh", "-c", _ENTER + _RUN, "sh",
                os.path.join(self.root, "resolv.conf"), *program]

    def _program(self, name):
        return require(name, "containerd", self._path())

    def _path(self):
        return os.pathsep.join([*self._programs, os.environ.get("PATH", os.defpath)])

    def _environment(self):
        return clean_environment(PATH=self._path())

    def wait_ready(self):
        # Check the socket before CRI: a client whose connection is refused waits before it retries.
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
        """The version that CRI reports."""
        client = cri.Cri(self.socket)
        try:
            return client.version().runtime_version
        finally:
            client.close()

    def import_sandbox_image(self, pause_program):
        archive = os.path.join(self.root, "pause.tar")
        pause_image(pause_program).write_archive(archive, SANDBOX_IMAGE)
        # Since 2.0 ctr lets the daemon do it by default.
        local = [] if self.version().startswith("1.") else ["--local"]
        self.ctr("images", "import", *local, "--snapshotter", "native", archive)

    def ctr(self, *arguments):
        """Run ctr of the same version in the kubelet's namespace. Returns its output."""
        return run([self._program("ctr"), "-a", self.socket, "-n", "k8s.io", *arguments],
                   f"ctr {' '.join(arguments[:2])}")

    def use_plain_http(self, host, server=None):
        """
        Configure this registry (host:port) for plain HTTP. It applies from the next pull on. `server`: the registry
        that is asked in its place.
        """
        folder = os.path.join(self.root, "certs.d", host)
        os.makedirs(folder)
        with open(os.path.join(folder, "hosts.toml"), "w") as hosts:
            # containerd 1.6 ignores the file without the empty table.
            hosts.write(f'server = "http://{server or host}"\n[host]\n')

    # --- outages ---

    def take_down(self, number=signal.SIGTERM):
        """Stop the daemon until bring_up(). Its shims and containers go on; the socket file remains."""
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
        """The process of the daemon: a child of the shell, which can be a child of unshare."""
        shell = _children(self._process.pid)[0] if self._namespaces else self._process.pid
        for pid in _children(shell):
            with open(f"/proc/{pid}/comm") as name:
                if name.read().strip() == "containerd":
                    return pid
        raise LabError("containerd is not running")

    def hang(self):
        """Stop it with SIGSTOP until resume(): it keeps its socket and does not answer."""
        os.kill(self.pid(), signal.SIGSTOP)

    def resume(self):
        os.kill(self.pid(), signal.SIGCONT)

    def hold_unpacking(self):
        """Do not unpack complete layers until let_unpack()."""
        self._write(os.path.basename(self._gate), "")

    def let_unpack(self):
        os.unlink(self._gate)

    # --- the end ---

    def check(self):
        self._process.check()

    def stop(self):
        if self._process:
            # Its state is deleted anyway, so there is nothing to wait for.
            self._process.stop(seconds=0)

    def _write(self, name, text):
        path = os.path.join(self.root, name)
        with open(path, "w") as out:
            out.write(text)
        return path
