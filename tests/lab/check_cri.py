#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Checks that cri/ reads the state of a real containerd. Needs root:

    check_cri.py BUILD/tests/lab/cri_print [--suite SUITE] [--record DIR]

Starts a containerd (that of the Debian SUITE, see generations.py), creates pods, lets a layer stall and compares the
output of cri_print. Then containerd hangs, and stops. --record writes the bytes of the answers (tests/data/cri/).
"""

import argparse
import http.server
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

import cri
from containerd import SANDBOX_IMAGE, Containerd
from images import MANIFEST_TYPE, Image, digest_of
from procs import HERE, PYTHON, require, run

RUNTIME, IMAGE = "/runtime.v1.RuntimeService/", "/runtime.v1.ImageService/"
CONTENT = "/containerd.services.content.v1.Content/"
WEB, DB, GONE = (f"{digit * 8}-{digit * 4}-4{digit * 3}-8{digit * 3}-{digit * 12}" for digit in "123")
pb = cri.pb


class StallingRegistry:
    """Two images that share a layer. Until release() only the first half of the layer is sent."""

    def __init__(self):
        numbers = random.Random(7)
        small, large = {"a": numbers.randbytes(2000)}, {"b": numbers.randbytes(6 << 20)}
        self._images = {"team/big": Image([small, large]), "team/shared": Image([large])}
        self._layer = self._images["team/shared"].layers[0]
        self.digest, self.half, self.whole = digest_of(self._layer), len(self._layer) // 2, len(self._layer)
        self.release = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, path):
        """(content type, bytes) at `path`: "/v2/NAME/manifests|blobs/REFERENCE"."""
        name, kind, reference = path.split("?")[0].removeprefix("/v2/").rsplit("/", 2)
        image = self._images[name]
        if kind == "manifests":
            return MANIFEST_TYPE, image.manifest
        return "application/octet-stream", image.blobs[reference]

    def _handler(registry):
        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_GET(self):
                kind, body = registry.answer(self.path)
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Docker-Content-Digest", digest_of(body))
                self.end_headers()
                if self.command == "GET" and body == registry._layer:
                    self.wfile.write(body[:registry.half])
                    registry.release.wait()
                    body = body[registry.half:]
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET

        return Handler


class Node:
    """Creates pods like a kubelet, in the host's namespaces (no CNI needed)."""

    def __init__(self, folder, cgroup, client):
        self._folder, self._cgroup, self._client = folder, cgroup, client

    def sandbox(self, name, uid, attempt=0):
        config = pb.PodSandboxConfig(
            metadata=pb.PodSandboxMetadata(name=name, uid=uid, namespace="default", attempt=attempt),
            log_directory=os.path.join(self._folder, "logs", uid),
            labels={"io.kubernetes.pod.name": name, "io.kubernetes.pod.namespace": "default",
                    "io.kubernetes.pod.uid": uid},
            annotations={"kubernetes.io/config.seen": "2026-11-21T23:00:00Z", "kubernetes.io/config.source": "api"})
        config.linux.cgroup_parent = f"/{self._cgroup}"
        self._host(config.linux.security_context.namespace_options)
        return config, self._client.run_sandbox(config)

    def container(self, sandbox, name, attempt, image):
        sandbox_config, sandbox_id = sandbox
        config = pb.ContainerConfig(
            metadata=pb.ContainerMetadata(name=name, attempt=attempt), image=pb.ImageSpec(image=image),
            command=["/pause"], log_path=f"{name}-{attempt}.log", labels={"io.kubernetes.container.name": name},
            annotations={"io.kubernetes.container.restartCount": str(attempt)})
        self._host(config.linux.security_context.namespace_options)
        container_id = self._client.create_container(sandbox_id, config, sandbox_config)
        self._client.start_container(container_id)
        return container_id

    def stop_container(self, container_id):
        self._call("StopContainer", pb.StopContainerRequest(container_id=container_id, timeout=1))

    def stop_sandbox(self, sandbox):
        self._call("StopPodSandbox", pb.StopPodSandboxRequest(pod_sandbox_id=sandbox[1]))

    def _call(self, method, request):
        self._client._call(RUNTIME + method, request, pb.Empty, 30)

    @staticmethod
    def _host(options):
        options.network = options.pid = options.ipc = pb.NODE


def fill(node, image_id):
    web = node.sandbox("web-0", WEB)
    node.stop_container(node.container(web, "app", 0, image_id))
    node.container(web, "app", 1, image_id)
    node.container(web, "sidecar", 0, SANDBOX_IMAGE)
    node.stop_sandbox(node.sandbox("db-0", DB))
    node.sandbox("db-0", DB, attempt=1)
    node.stop_sandbox(node.sandbox("gone-0", GONE))


def record(client, folder):
    def raw(method, request=b""):
        call = client.channel.unary_unary(method, request_serializer=bytes, response_deserializer=bytes)
        return call(request, timeout=120)

    def image(reference):
        return raw(IMAGE + "ImageStatus",
                   pb.ImageStatusRequest(image=pb.ImageSpec(image=reference)).SerializeToString())

    for name, answer in (("version", raw(RUNTIME + "Version")), ("status", raw(RUNTIME + "Status")),
                         ("sandboxes", raw(RUNTIME + "ListPodSandbox")),
                         ("containers", raw(RUNTIME + "ListContainers")),
                         ("image-present", image(SANDBOX_IMAGE)),
                         ("image-absent", image("docker.io/library/absent:1"))):
        write(folder, name, answer)


def write(folder, name, answer):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name + ".pb"), "wb") as out:
        out.write(answer)


def record_content(client, folder, digest, reference):
    """Record the content service's answers about a blob in flight, and CRI's about a pulled image."""
    space = (("containerd-namespace", "k8s.io"),)
    ingests = client.channel.unary_unary(CONTENT + "ListStatuses", request_serializer=bytes,
                                         response_deserializer=bytes)(b"", timeout=120, metadata=space)
    if ingests:
        write(folder, "ingests", ingests)
        filters = [f'labels."containerd.io/gc.ref.content.l.{i}"=={digest}'.encode() for i in range(2)]
        request = b"".join(b"\x0a" + bytes([len(f)]) + f for f in filters)
        owners = client.channel.unary_stream(CONTENT + "List", request_serializer=bytes, response_deserializer=bytes)
        write(folder, "owners", b"".join(owners(request, timeout=120, metadata=space)))
        return
    status = client.channel.unary_unary(IMAGE + "ImageStatus", request_serializer=bytes, response_deserializer=bytes)
    request = pb.ImageStatusRequest(image=pb.ImageSpec(image=reference)).SerializeToString()
    write(folder, "image-pulled", status(request, timeout=120))


def run_once(program, seconds, socket_path, *images):
    """The lines that cri_print prints, without a container's creation time."""
    images = images or (SANDBOX_IMAGE, "lab.local/absent:1", "UPPER/not a:reference")
    done = subprocess.run([program, str(seconds), "unix://" + socket_path, *images], stdout=subprocess.PIPE,
                          text=True, timeout=seconds + 120, check=True)
    lines = done.stdout.splitlines()
    return [line.rsplit(" ", 1)[0] if line.startswith("created") else line for line in lines]


def expect(lines, *wanted):
    missing = missing_of(lines, wanted)
    if missing:
        sys.exit("check_cri: missing: {}\nfound:\n{}".format("; ".join(missing), "\n".join(lines)))


def missing_of(lines, wanted):
    return [line for line in wanted if not any(have.startswith(line) for have in lines)]


def poll_until(program, seconds, socket_path, *wanted, images=()):
    """
    Run cri_print for `seconds`, and then for twice as long each time, until it prints all the wanted lines. A slow
    machine needs longer for one poll. Returns its last lines.
    """
    deadline = time.monotonic() + 300
    while True:
        lines = run_once(program, seconds, socket_path, *images)
        if not missing_of(lines, wanted) or time.monotonic() > deadline:
            expect(lines, *wanted)
            return lines
        seconds = min(2 * seconds, 60)


def containerd_pid(socket_path):
    listeners = run([require("ss", "iproute2"), "-xlpH", "src", socket_path], "asking who listens")
    return int(listeners.split("pid=")[1].split(",")[0])


def check_stall(args, client, runtime):
    registry = StallingRegistry()
    runtime.use_plain_http(registry.host)
    big, shared = (f"{registry.host}/team/{name}:v1" for name in ("big", "shared"))
    pulls = [threading.Thread(target=client.pull, args=(image,)) for image in (big, shared)]
    for pull in pulls:
        pull.start()
    try:
        # Host names come without their port.
        owners = f"blob {registry.digest} 127.0.0.1/team/big 127.0.0.1/team/shared"
        if owners not in poll_until(args.program, 2, runtime.socket, owners, images=(big,)):
            sys.exit("check_cri: the layer has more owners")
        # The runtime writes whole MiB.
        poll_until(args.program, 2, runtime.socket,
                   f"ingest {registry.digest} {registry.half >> 20 << 20} of {registry.whole} ",
                   f"image {big} absent 0", images=(big,))
        if args.record:
            record_content(client, args.record, registry.digest, big)
    finally:
        registry.release.set()
        for pull in pulls:
            pull.join(120)
    poll_until(args.program, 1, runtime.socket, "ingests 0", f"image {big} present ", f"image {shared} present ",
               images=(big, shared))
    if args.record:
        record_content(client, args.record, registry.digest, big)


def check(args, node, client, runtime):
    fill(node, client.image(SANDBOX_IMAGE).id)
    if args.record:
        record(client, args.record)

    lines = poll_until(
        args.program, 1, runtime.socket, "up 1", "runtime containerd ", f"image {SANDBOX_IMAGE} present ",
        "image lab.local/absent:1 absent 0", "image-fs /", "ingests 0", f"sandbox {WEB} ready", f"sandbox {DB} ready",
        f"sandbox {GONE} not-ready", f"created {WEB} app", f"created {WEB} sidecar")
    # The container was restarted: each poll observes the new one only.
    if lines.count(f"created {WEB} app") != lines.count(f"sandbox {WEB} ready"):
        sys.exit("check_cri: an old container was observed:\n" + "\n".join(lines))
    check_stall(args, client, runtime)

    pid = containerd_pid(runtime.socket)
    os.kill(pid, signal.SIGSTOP)
    try:
        lines = poll_until(args.program, 3, runtime.socket, "up 0 container runtime at")
    finally:
        os.kill(pid, signal.SIGCONT)
    # Either a call or the next connection gets no answer.
    if not any("DeadlineExceeded" in line or "connection att" in line for line in lines):
        sys.exit("check_cri: a runtime that hangs:\n" + "\n".join(lines))
    poll_until(args.program, 1, runtime.socket, "up 1", "runtime containerd ")

    runtime.stop()
    poll_until(args.program, 1, runtime.socket, "up 0 container runtime")


def main():
    parser = argparse.ArgumentParser(description="Compare cri/ with a real containerd.")
    parser.add_argument("program", help="the built cri_print")
    parser.add_argument("--suite", help="the Debian suite whose containerd it is (default: the installed one)")
    parser.add_argument("--record", metavar="DIR", help="also write the answers' bytes there")
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="check-cri-")
    cgroup = os.path.basename(folder)
    keeper = subprocess.Popen([PYTHON, os.path.join(HERE, "keeper.py"), cgroup, folder, "yes"],
                              stdin=subprocess.PIPE, start_new_session=True)
    os.mkdir(os.path.join(folder, "containerd"))
    runtime = Containerd(os.path.join(folder, "containerd"), "127.0.0.1", args.suite)
    try:
        runtime.start()
        runtime.wait_ready()
        pause = os.path.join(folder, "pause")
        run([require("gcc", "gcc"), "-static", "-Os", "-s", "-o", pause, os.path.join(HERE, "pause.c")],
            "compiling the pause program")
        with open(pause, "rb") as program:
            runtime.import_sandbox_image(program.read())
        client = cri.Cri(runtime.socket)
        check(args, Node(folder, cgroup, client), client, runtime)
        client.close()
    finally:
        runtime.stop()
        keeper.stdin.close()
        keeper.wait(150)
    print(f"check_cri: all right, with containerd of {args.suite or 'this machine'}")


if __name__ == "__main__":
    main()
