# SPDX-License-Identifier: Apache-2.0
"""Records the bytes that the API server and the kubelet of a cluster send, with curl."""

import os
import subprocess
import time

from control_plane import AGENT_ADDRESS, API_PORT, NODE_ADDRESS
from procs import LabError, Process, clean_environment, require, wait_for
from recorded_answers import EVENTS, PODS

API_SERVER = f"https://{AGENT_ADDRESS}:{API_PORT}"
KUBELET = f"https://{NODE_ADDRESS}:10250"
QUIET_SECONDS = 1
# The server writes JSON for people where it sees the name of curl or of a browser.
USER_AGENT = "imagepull-exporter"


class Recorder:
    """Writes to `folder`. The agent's requests have the agent's token, so they show what the agent gets."""

    def __init__(self, cluster, folder):
        self.folder = folder
        self._curl = [require("curl", "curl"), "--silent", "--show-error", "--user-agent", USER_AGENT,
                      "--http2", "--no-buffer"]
        self._ca = ["--cacert", cluster.pki.ca_file]
        cert, key = cluster.pki.client("admin", "system:masters")
        self._users = {"agent": self._token(cluster.path("agent-header"), cluster.path("agent-token")),
                       "admin": ["--cert", cert, "--key", key],
                       "anonymous": [], "stranger": ["--header", "Authorization: Bearer wrong"]}
        self._streams = []

    @staticmethod
    def _token(header_file, token_file):
        """curl reads the header from a file, so that no list of processes shows the token."""
        with open(token_file) as token, open(header_file, "w") as out:
            os.chmod(header_file, 0o600)
            out.write("Authorization: Bearer " + token.read())
        return ["--header", "@" + header_file]

    def path(self, name):
        return os.path.join(self.folder, name)

    def _arguments(self, name, question, server):
        # The kubelet signs its certificate itself.
        trust = ["--insecure"] if server == KUBELET else self._ca
        return [*self._curl, *trust, *self._users[question.user], "--header", "Accept: " + question.accept,
                "--request", question.method, "--output", self.path(name), server + question.path]

    def answer(self, name, question, server=API_SERVER, whole=False):
        """Write the body of an answer, or the whole HTTP response. Returns what was written."""
        done = subprocess.run([*self._arguments(name, question, server), *(["--include"] if whole else [])],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env=clean_environment())
        if done.returncode != 0:
            raise LabError(f"recording {name}: curl ended with status {done.returncode}: {done.stdout.strip()}")
        return self.read(name)

    def read(self, name):
        with open(self.path(name), "rb") as source:
            return source.read()

    def whole_frames(self, name):
        """The frames of a protobuf stream that are complete so far."""
        data, end = self.read(name), 0
        while len(data) >= end + 4:
            after = end + 4 + int.from_bytes(data[end:end + 4], "big")
            if after > len(data):
                break
            end = after
        return data[:end]

    # --- streams ---

    def start_stream(self, name, question):
        """Record a watch until end_streams()."""
        log = self.path(name + ".log")
        self._streams.append((name, log, Process("curl for " + name, self._arguments(name, question, API_SERVER), log)))

    def sizes(self):
        """How many bytes each stream has. Raises an error if one has ended."""
        for _, _, process in self._streams:
            process.check()
        return [os.path.getsize(self.path(name)) if os.path.exists(self.path(name)) else 0
                for name, _, _ in self._streams]

    def wait_quiet(self, seconds=QUIET_SECONDS):
        """Wait until no stream gets anything for some seconds. Returns their sizes."""
        last = [self.sizes(), time.monotonic()]

        def quiet():
            now = self.sizes()
            if now != last[0]:
                last[:] = [now, time.monotonic()]
            return time.monotonic() - last[1] > seconds and now

        return wait_for(quiet, "a moment in which nothing changes", 300)

    def end_streams(self):
        """End all of them in a quiet moment, so that the same changes are in each of them."""
        self.wait_quiet()
        for name, log, process in self._streams:
            process.stop()
            os.unlink(log)
        self._streams = []


def watch_of_pods(version):
    return PODS + f"&watch=true&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds=3000"


def watch_of_events(version):
    return EVENTS + f"&watch=true&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds=3000"


STREAMING_LIST = (PODS + "&watch=true&allowWatchBookmarks=true&sendInitialEvents=true"
                  "&resourceVersionMatch=NotOlderThan&timeoutSeconds=3000")


def at_version(path, version):
    """A list as it was at a version."""
    return f"{path}&resourceVersion={version}&resourceVersionMatch=Exact"
