# SPDX-License-Identifier: Apache-2.0
"""What the integration tests share: the modules of the lab, the recordings, small HTTP clients, waiting."""

import json
import os
import shutil
import socket
import ssl
import sys
import tempfile
import time
import unittest
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
RECORDINGS = os.path.join(ROOT, "tests", "data", "recordings")
sys.path.insert(0, os.path.join(ROOT, "tests", "lab"))

import h2.connection  # noqa: E402
import h2.events  # noqa: E402

# The field selector of the agent's lists and watches of pods.
POD_SELECTOR = "spec.nodeName={},status.phase!=Failed,status.phase!=Succeeded"


def recording(name):
    """The bytes of one recorded file."""
    with open(os.path.join(RECORDINGS, name), "rb") as source:
        return source.read()


with open(os.path.join(RECORDINGS, "facts.json")) as _facts:
    FACTS = json.load(_facts)


def recorded_response(name):
    """(status, {header: value}, body) of a recorded HTTP response."""
    head, _, body = recording(name).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
    return int(lines[0].split()[1]), headers, body


class Folder:
    """A temporary folder for a test class. Pass `remove` to addClassCleanup."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="imagepull-test-")

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)


def wait_for(condition, what, seconds=300):
    """
    Call `condition` until it returns something that is not False, and return that. An AssertionError counts as False;
    the last one is raised when the time is up. The time is for the slowest machine: a test that passes does not use it.
    """
    deadline = time.monotonic() + seconds
    while True:
        begun = time.monotonic()
        try:
            result = condition()
            if result is not False:
                return result
            error = AssertionError(f"timeout after {seconds:g} s: {what}")
        except AssertionError as failed:
            error = failed
        if time.monotonic() > deadline:
            raise error
        # On a slow machine, leave half of the time to what is waited for.
        time.sleep(max(0.02, time.monotonic() - begun))


class Http2Stream:
    """One HTTP/2 GET over TLS: status, headers, and the body as it arrives."""

    def __init__(self, url, ca_file, token, accept):
        parts = urllib.parse.urlsplit(url)
        context = ssl.create_default_context(cafile=ca_file)
        context.set_alpn_protocols(["h2"])
        self._socket = context.wrap_socket(socket.create_connection((parts.hostname, parts.port), timeout=120),
                                           server_hostname=parts.hostname)
        self._h2 = h2.connection.H2Connection()
        self._h2.initiate_connection()
        self._h2.send_headers(1, [
            (":method", "GET"), (":scheme", "https"), (":authority", parts.netloc),
            (":path", f"{parts.path}?{parts.query}" if parts.query else parts.path),
            ("authorization", f"Bearer {token}"), ("accept", accept)], end_stream=True)
        self._socket.sendall(self._h2.data_to_send())
        self.status, self.headers, self.ended = None, {}, False

    def close(self):
        self._socket.close()

    def pieces(self):
        """Each DATA frame's bytes, until the stream ends."""
        while not self.ended:
            data = self._socket.recv(65536)
            if not data:
                return
            for event in self._h2.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    self.headers = {k.decode(): v.decode() for k, v in event.headers}
                    self.status = int(self.headers[":status"])
                elif isinstance(event, h2.events.DataReceived):
                    self._h2.acknowledge_received_data(event.flow_controlled_length, 1)
                    yield event.data
                elif isinstance(event, h2.events.StreamEnded):
                    self.ended = True
            self._socket.sendall(self._h2.data_to_send())

    def read(self):
        """The whole body of a response that ends."""
        return b"".join(self.pieces())


def agent_binary():
    """The agent's program: AGENT from the environment, or build/imagepull-exporter."""
    path = os.environ.get("AGENT") or os.path.join(ROOT, "build", "imagepull-exporter")
    if not os.access(path, os.X_OK):
        raise AssertionError(f"there is no agent at '{path}': build it with 'make', or name one in AGENT")
    return os.path.abspath(path)


def start_agent(test, flags, name="agent", folder=None):
    """
    Start an agent that stops at the end of `test`: a test, a test class, or the unittest module for the
    module that runs now. Its log is in `folder`, or in a folder of its own. Does not wait until it is ready.
    """
    from agent import Agent

    agent = Agent(agent_binary(), flags, os.path.join(folder or _own_folder(test), name + ".log"))
    _cleanup(test)(_end_well, agent)
    return agent


def start_api(test, folder=None, arguments=()):
    """Start a double of the API server, as start_agent() starts an agent, and wait until it is ready."""
    from api_double import ApiDouble

    double = ApiDouble(os.path.join(folder or _own_folder(test), "api"), arguments)
    _cleanup(test)(double.stop)
    double.start()
    double.wait_ready()
    return double


def _cleanup(test):
    return (test.addModuleCleanup if test is unittest else
            test.addClassCleanup if isinstance(test, type) else test.addCleanup)


def _own_folder(test):
    own = Folder()
    _cleanup(test)(own.remove)
    return own.path


def _end_well(agent):
    """Every agent must exit with status 0 on SIGTERM. A report of a sanitizer makes it fail, too."""
    status, _ = agent.stop()
    if status != 0:
        raise AssertionError(f"the agent ended with status {status}; the end of its log:\n{agent.log()[-3000:]}")
