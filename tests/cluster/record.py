#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Makes the recordings of tests/data/recordings anew from a real cluster, in about seven minutes.

    tests/cluster/in-namespaces tests/cluster/record.py [--to DIR] [--suite sid]

It replaces an earlier recording in DIR when the new one is complete and was checked: the kubelet's own Events and
statuses must say what recorded_pods.py expects of each pod.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "tests", "lab")]

import recorded_answers  # noqa: E402
import recorded_pods  # noqa: E402
import record_truth  # noqa: E402
import registries  # noqa: E402
from cluster import Cluster  # noqa: E402
from demo_pods import pull_secret  # noqa: E402
from images import pause_image  # noqa: E402
from kube_codec import JSON, PROTOBUF  # noqa: E402
from lab import Ended, end_on_signals  # noqa: E402
from procs import LabError, wait_for  # noqa: E402
from recorded_answers import EVENTS, PODS, WATCH, Question  # noqa: E402
from recorder import (API_SERVER, KUBELET, STREAMING_LIST, Recorder, at_version, watch_of_events,  # noqa: E402
                      watch_of_pods)

RECORDINGS = os.path.join(ROOT, "tests", "data", "recordings")
PACE_SECONDS = 0.25  # between two pods: the kubelet lets 5 pulls start in a second
LISTS_AFTER = 60     # seconds: most pods have failed three times, and the spam filter has not dropped an Event
SPAM_EVENTS = 26     # of a pod: 25 at once, and one more after 300 s


class Story:
    """The pods of recorded_pods.py on a cluster, and the files about them."""

    def __init__(self, cluster, folder):
        self.cluster, self.api, self.recorder = cluster, cluster.api, Recorder(cluster, folder)
        self.failing = recorded_pods.failing_pods(cluster)
        self.timeline = []

    def happens(self, what):
        self.timeline.append(f"{time.time() - self.began:.0f}s {what}")
        print(f"  RECORD {self.timeline[-1]}", flush=True)

    def play(self):
        self._forget_versions()
        self.began = int(time.time())
        self._start_streams()
        self.happens("apply")
        self._create_pods()
        self._record_lists()
        self._repair()
        self._record_answers()
        self._wait_for_the_end()
        self.recorder.end_streams()
        self.happens("end")

    def _forget_versions(self):
        """Now a watch of anything cannot start at version 1."""
        self.cluster.etcd.compact()
        self.cluster.restart_apiserver(kill=True)

    def _version(self, path):
        return self.api.call("GET", path + "&limit=1")["metadata"]["resourceVersion"]

    def _start_streams(self):
        version, start = self._version(PODS), self.recorder.start_stream
        start("pods.watch.pb", Question("agent", watch_of_pods(version), WATCH))
        start("pods.watch.json", Question("agent", watch_of_pods(version)))
        start("events.watch.pb", Question("agent", watch_of_events(version), WATCH))

    def _create(self, pods):
        for pod in pods:
            spec = {"terminationGracePeriodSeconds": 1, "automountServiceAccountToken": False, **pod.spec}
            self.api.create("pods", {"metadata": {"name": pod.name, "labels": {"app": pod.name}}, "spec": spec})
            time.sleep(PACE_SECONDS)

    def _create_pods(self):
        working = recorded_pods.working_pods(self.cluster)
        for secret in recorded_pods.secrets(self.cluster):
            self.api.create("secrets", secret)
        self._create(working)
        wait_for(lambda: all(self._phase(pod.name) == "Running" for pod in working), "the first pods run", 300)
        # The initial events of a streaming list are these pods.
        self.recorder.start_stream("pods.watchlist.pb", Question("agent", STREAMING_LIST, WATCH))
        self.recorder.wait_quiet()
        self._create(self.failing[:-1])
        with open(self.cluster.path("pause"), "rb") as program:
            layer = recorded_pods.stalled_layer(program.read())
        wait_for(lambda: layer in self.cluster.containerd.ctr("content", "active"), "the download that stalls", 300)
        self._create(self.failing[-1:])

    def _phase(self, name):
        return (self.api.get("pods", name) or {}).get("status", {}).get("phase")

    # --- lists ---

    def _record_lists(self):
        time.sleep(max(0, self.began + LISTS_AFTER - time.time()))
        deadline = time.monotonic() + 120
        while wrong := self._wrong_lists():
            if time.monotonic() > deadline:
                raise LabError("the lists are not as expected:\n" + "\n".join(wrong))
        self.listed = int(time.time())
        self.happens("lists")

    def _wrong_lists(self):
        """Record all lists. Returns what is wrong with them."""
        record, before = self.recorder.answer, self.recorder.wait_quiet()
        version = self._version(PODS)
        record("kubelet.pods.json", Question("admin", "/pods"), KUBELET)
        if self.recorder.sizes() != before:
            return ["there is always something that changes meanwhile"]
        pods, events = at_version(PODS, version), at_version(EVENTS, version)
        record("pods.list.pb", Question("agent", pods, PROTOBUF))
        record("pods.list.json", Question("agent", pods))
        record("events.list.pb", Question("agent", events, PROTOBUF))
        record("events.list.json", Question("agent", events))
        record("pods.list.page1.pb", Question("agent", PODS + "&limit=5", PROTOBUF))
        if sorted(self.describe("kubelet.pods.json")) != sorted(self.describe("pods.list.json")):
            return ["the kubelet's list is not that of the API server"]
        return record_truth.problems(self.failing, self._items("pods.list.json"), self._items("events.list.json"))

    def _items(self, name):
        return json.loads(self.recorder.read(name))["items"]

    def describe(self, name):
        """The lines of describe.py about a file."""
        done = subprocess.run([sys.executable, os.path.join(RECORDINGS, "describe.py")],
                              input=self.recorder.read(name), stdout=subprocess.PIPE, check=True)
        return done.stdout.decode().splitlines(keepends=True)

    # --- the rest of the story ---

    def _repair(self):
        host = self.cluster.private.host
        self.api.update("secrets", pull_secret("wrong-cred", host, registries.PASSWORD))
        self.happens("fix-secret")
        with open(self.cluster.path("pause"), "rb") as program:
            self.cluster.open.push(pause_image(program.read()), "lab/pause", "v9")
        self.happens("push-tag-v9")
        self.api.delete("pods", "ratelimit")
        self.happens("delete-ratelimit")

    def _record_answers(self):
        os.makedirs(self.recorder.path("answers"), exist_ok=True)
        for server, questions in ((API_SERVER, recorded_answers.API_SERVER), (KUBELET, recorded_answers.KUBELET)):
            for name, question in questions.items():
                self.recorder.answer(f"answers/{name}.http", question, server, whole=True)

    def _wait_for_the_end(self):
        # The runtime gives up a pull that stands still after 5 minutes; then the one that waits for it goes on.
        running = ("unauth-wrong", "unauth-other-registry", "notfound-tag", "behind-stall")

        def ended():
            if not all(self._phase(name) == "Running" for name in running) or self._phase("ratelimit"):
                return False
            written = record_truth.changes(self.recorder.whole_frames("events.watch.pb"))
            return sum(event.involvedObject.name == "neverpull" for _, event in written) >= SPAM_EVENTS

        wait_for(ended, "pods run that are repaired or waited, and the spam filter lets an Event through", 900, 1)

    # --- files ---

    def finish(self):
        """Check what was recorded, and write the files that are made from it."""
        read, path = self.recorder.read, self.recorder.path
        record_truth.same_changes("pods.watch", read("pods.watch.pb"), read("pods.watch.json"))
        pods, events = self._items("pods.list.json"), self._items("events.list.json")
        record_truth.write_expected(path("expected.json"), record_truth.expected(self.failing, pods, events))
        expired = read("answers/watch-of-pods-410.http").partition(b"\r\n\r\n")[2]
        facts = record_truth.facts(self.began, self.listed, json.loads(read("pods.list.json")), read("pods.watch.pb"),
                                   expired)
        with open(path("facts.json"), "w") as out:
            json.dump(facts, out, indent=1)
            out.write("\n")
        for name in ("pods.list", "pods.watch", "events.list", "kubelet.pods"):
            with open(path(name + ".expected"), "w") as out:
                out.writelines(self.describe(name + ".json"))
        os.unlink(path("pods.watch.json"))
        with open(path("timeline.txt"), "w") as out:
            out.writelines(line + "\n" for line in self.timeline)
        self._check_secrets()

    def _check_secrets(self):
        with open(self.cluster.path("agent-token")) as source:
            token = source.read().strip()
        for name in files_of(self.recorder.folder):
            secret = record_truth.leaked_secret(self.recorder.read(name), token)
            if secret:
                raise LabError(f"{name} has a secret in it: {secret}")


def files_of(folder):
    """The files of a recording: of this folder and of "answers"."""
    found = [os.path.join(place, name) for place in ("", "answers") for name in os.listdir(os.path.join(folder, place))]
    return sorted(name for name in found if os.path.isfile(os.path.join(folder, name)))


def replace(old, new):
    """Copy the recording `new` to the folder `old`, in place of the one that is there."""
    os.makedirs(os.path.join(old, "answers"), exist_ok=True)
    for name in files_of(old) if os.path.exists(os.path.join(old, "facts.json")) else ():
        if not name.endswith((".md", ".py")):
            os.unlink(os.path.join(old, name))
    for name in files_of(new):
        shutil.copyfile(os.path.join(new, name), os.path.join(old, name))


def main():
    parser = argparse.ArgumentParser(description="Make the recordings of tests/data/recordings anew.")
    parser.add_argument("--to", default=RECORDINGS, help="the folder of the recordings (default: %(default)s)")
    parser.add_argument("--suite", default="sid", help="the Debian suite of containerd (default: %(default)s)")
    args = parser.parse_args()
    end_on_signals()
    try:
        with tempfile.TemporaryDirectory(dir=os.environ.get("CLUSTER_SCRATCH")) as folder, \
                Cluster(suite=args.suite, node_name="lab-node",
                        kubelet_settings={"serializeImagePulls": False}) as cluster:
            cluster.agent_flags()  # makes its account and its token
            story = Story(cluster, folder)
            try:
                story.play()
                story.finish()
            except LabError:
                cluster.keep_directory()
                raise
            replace(args.to, folder)
            print(f"  RECORD containerd {cluster.containerd.version()}: {args.to}")
    except Ended:
        return 130
    except LabError as error:
        print(f"record: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
