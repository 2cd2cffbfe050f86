# SPDX-License-Identifier: Apache-2.0
"""
What the agent costs its API server and its node, measured on the real program: bytes and requests of
an hour, peak memory of a first list. The pods are recorded ones of a real cluster, cloned byte by byte.

    bench_api.py [--agent FILE] [--seconds N]

An hour is played in N seconds (60): all that an API server and kubelets do in it, only faster.
"""

import argparse
import copy
import json
import os
import shutil
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "tests", "lab")]

import kube_codec as codec  # noqa: E402
from agent import Agent  # noqa: E402
from api_double import ApiDouble  # noqa: E402
from bench_wire import Wire  # noqa: E402
from kubelet_api import KubeletApi  # noqa: E402
from procs import wait_for  # noqa: E402

RECORDINGS = os.path.join(ROOT, "tests", "data", "recordings")
HOUR = 3600
PODS, FAILING = 110, 30
BOOKMARKS = 60  # an hour and watch: one a minute
REOPENINGS = 8  # an hour and watch: the agent asks for 5 to 10 minutes
# The kubelet's back-off ends at 5 minutes (MaxContainerBackOff), and each attempt is two changes of the status.
FLIPS = 2 * HOUR // 300
# Its event filter lets one event of an object through in 5 minutes, after the first 25 (client-go: events_cache.go).
EVENTS = HOUR // 300
NOBODY = "unix:///nonexistent/containerd.sock"


# --- recorded objects, cloned ---------------------------------------------------------------------------

def recorded(name):
    """Every object of a recorded watch, as a message that keeps unknown fields."""
    with open(os.path.join(RECORDINGS, name), "rb") as source:
        for kind, body in codec.frames(source.read()):
            if kind in ("ADDED", "MODIFIED"):
                object_kind, raw = codec.unwrap(body)
                yield codec.MESSAGES[object_kind].FromString(raw)


def waiting_reason(pod):
    statuses = pod.status.containerStatuses
    return statuses[0].state.waiting.reason if statuses else ""


class Templates:
    def __init__(self):
        self.running, self.failing, self.events = [], {}, {}
        for pod in recorded("pods.watch.pb"):
            if pod.status.phase == "Running" and pod.status.containerStatuses[0].ready:
                self.running.append(pod)
            elif waiting_reason(pod) in ("ErrImagePull", "ImagePullBackOff"):
                self.failing.setdefault(pod.metadata.name, {})[waiting_reason(pod)] = pod
        self.failing = [states for states in self.failing.values() if len(states) == 2]
        for event in recorded("events.watch.pb"):
            if event.source.component == "kubelet" and event.reason in ("Pulling", "Failed", "BackOff"):
                self.events[(event.reason, event.message[:20])] = event
        self.events = list(self.events.values())


class Cluster:
    """Two recordings: the pods of a node with their events, and then the changes of both."""

    def __init__(self, folder, templates, pods, failing):
        self.folder, self.templates, self.pods, self.failing = folder, templates, pods, failing
        self.version, self.frames = 1000, {"pods": [], "events": []}
        for i in range(pods):
            self._pod("ADDED", i, "ImagePullBackOff")
        for i in range(failing):
            for kind in range(len(templates.events)):
                self._event("ADDED", i, kind, 1)
        self.standing = self.version

    def _add(self, change, resource, message, name, uid):
        self.version += 1
        message.metadata.name, message.metadata.uid = name, uid
        message.metadata.resourceVersion = str(self.version)
        self.frames[resource].append(codec.frame(change, codec.wrap(message.DESCRIPTOR.name,
                                                                    message.SerializeToString())))

    @staticmethod
    def _name(i):
        return f"web-{i:04d}-7d4b9c6f5d-x{i:04d}", f"00000000-0000-4000-8000-{i:012d}"

    def _pod(self, change, i, reason):
        templates = self.templates.running if i >= self.failing else self.templates.failing
        template = templates[i % len(templates)]
        self._add(change, "pods", copy.deepcopy(template if i >= self.failing else template[reason]), *self._name(i))

    def _event(self, change, i, kind, count):
        event = copy.deepcopy(self.templates.events[kind])
        name, uid = self._name(i)
        event.involvedObject.name, event.involvedObject.uid, event.count = name, uid, count
        self._add(change, "events", event, f"{name}.{kind:x}", f"00000000-0000-4000-9000-{i:06d}{kind:06d}")

    def live(self, hours):
        """Adds the changes that the kubelet reports about the failing pods in `hours`, evenly spread."""
        for step in range(int(FLIPS * hours)):
            for i in range(self.failing):
                self._pod("MODIFIED", i, ("ErrImagePull", "ImagePullBackOff")[step % 2])
                if step % 2:
                    self._event("MODIFIED", i, step // 2 % len(self.templates.events), 2 + step)
        return self

    def arguments(self):
        """Writes the recordings. Returns the arguments with which the double replays them."""
        arguments = []
        for resource, frames in self.frames.items():
            path = os.path.join(self.folder, resource + ".pb")
            with open(path, "wb") as out:
                out.write(b"".join(frames))
            if frames:
                arguments += [f"--replay-{resource}", path]
        return arguments


# --- one run --------------------------------------------------------------------------------------------

class Run:
    """A double that replays a cluster, and an agent, in a folder that is removed at the end."""

    def __init__(self, binary, templates):
        self.binary, self.templates = binary, templates
        self.folder = tempfile.mkdtemp(prefix="imagepull-bench-")
        self.parts, self.agent, self.double, self.wire = [], None, None, None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for part in reversed(self.parts):
            part.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def cluster(self, pods, failing):
        return Cluster(self.folder, self.templates, pods, failing)

    def start_double(self, cluster, interval, bookmark_seconds=60.0):
        self.double = ApiDouble(os.path.join(self.folder, "api"), [
            *cluster.arguments(), "--replay-interval", str(interval), "--bookmark-seconds", str(bookmark_seconds)])
        self.parts.append(self.double)
        self.double.start()
        self.double.wait_ready()
        self._fill(cluster)

    def _fill(self, cluster):
        """The replay begins with the first watch, so watch until all pods and events of the start are there."""
        admin = self.double.client()
        for event in admin.watch("/api/v1/pods?watch=1"):
            if int(event["object"]["metadata"]["resourceVersion"]) >= 1000 + cluster.pods:
                break
        wait_for(lambda: self.version() >= cluster.standing, "the double has all pods and events", 60)

    def version(self):
        """The newest resourceVersion of the double, which shows how far the replay is."""
        return int(self.double.client().call("GET", "/lab/state")["resourceVersion"])

    def start_agent(self, flags):
        self.agent = Agent(self.binary, ["--node-name=lab-node", f"--cri.endpoint={NOBODY}", *flags],
                           os.path.join(self.folder, "agent.log"))
        self.parts.append(self.agent)
        self.agent.wait_ready(30)

    def through_wire(self):
        """The agent's flags, with a Wire between agent and double that counts the bytes."""
        self.wire = Wire(self.double.url)
        self.parts.append(self.wire)
        return [f"--kube.server={self.wire.url}", *self.double.agent_flags()[1:]]

    def status(self, field):
        """A value of the agent in /proc/PID/status, in KiB."""
        with open(f"/proc/{self.agent.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith(field + ":"))

    def cpu_seconds(self):
        with open(f"/proc/{self.agent.pid}/stat") as stat:
            fields = stat.read().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# --- an hour on the wire --------------------------------------------------------------------------------

def watches(double):
    """How many watches of each resource the agent has asked for so far: (pods, events)."""
    asked = [r["path"].rpartition("/")[2] for r in double.client().requests() if r["query"].get("watch")]
    return asked.count("pods"), asked.count("events")


def settle(run, failing):
    """Waits until the agent watches the events and shows all failures."""
    if failing:  # events are watched up to 10 s later
        wait_for(lambda: watches(run.double)[1], "the events are watched", 30)
        wait_for(lambda: len({pod for pod, _ in run.agent.failures()}) == failing, "all failures are shown", 30)
    time.sleep(1)


def measure(run, action):
    """(bytes to the agent, bytes from it) while `action` runs."""
    before = run.wire.counted()
    action()
    return [after - earlier for after, earlier in zip(run.wire.counted(), before)]


def reopen(run):
    """The server ends the agent's pod watch, as it does when the agreed time is over."""
    before = watches(run.double)[0]
    run.double.spoil_streams("end", resource="pods")
    wait_for(lambda: watches(run.double)[0] > before, "the agent watches again", 30)
    time.sleep(0.5)


def bookmarks_missing():
    """How many bytes shorter the double's bookmarks of one watch in one hour are than those of a real server."""
    with open(os.path.join(RECORDINGS, "pods.watch.pb"), "rb") as source:
        real = next(codec.frame(*change) for change in codec.frames(source.read()) if change[0] == "BOOKMARK")
    plain = codec.to_message("Pod", {"metadata": {"resourceVersion": "1234"}}).SerializeToString()
    return BOOKMARKS * (len(real) - len(codec.frame("BOOKMARK", codec.wrap("Pod", plain))))


def play_hour(run, failing, seconds):
    """Plays one hour with open watches. Returns bytes down and up, new requests, CPU, and the bytes of the start."""
    cluster = run.cluster(PODS, failing).live(2.0)  # as long as it takes to settle, and an hour
    changes = failing * (FLIPS + EVENTS)
    run.start_double(cluster, seconds / changes if changes else 0, seconds / BOOKMARKS)
    run.start_agent(run.through_wire())
    at_start = run.wire.counted()[0]
    settle(run, failing)
    opened, cpu = sum(watches(run.double)), run.cpu_seconds()
    last = run.version() + changes

    def until_the_hour_is_over():
        time.sleep(0.9 * seconds if changes else seconds)
        wait_for(lambda: run.version() >= last, "all of the hour is played", seconds)

    down, up = measure(run, until_the_hour_is_over)
    return down, up, sum(watches(run.double)) - opened, run.cpu_seconds() - cpu, at_start


def report_hour(binary, templates, seconds):
    with Run(binary, templates) as run:
        run.start_double(run.cluster(PODS, 0), 0)
        run.start_agent(run.through_wire())
        settle(run, 0)
        opening = measure(run, lambda: reopen(run))
    print(f"\nAn hour of the API server with one agent, played in {seconds} s\n" + " " * 40 +
          "requests   to the agent    from it   agent's CPU   first list of pods")
    for what, failing in ((f"{PODS} pods, all well", 0), (f"{PODS} pods, {FAILING} of them failing", FAILING)):
        with Run(binary, templates) as run:
            down, up, unexpected, cpu, at_start = play_hour(run, failing, seconds)
        requests = REOPENINGS * (2 if failing else 1)
        down += requests * opening[0] + requests // REOPENINGS * bookmarks_missing()
        up += requests * opening[1]
        print(f"  {what:<37} {requests + unexpected:>8} {down / 1024:>10,.0f} KiB {up / 1024:>6,.0f} KiB "
              f"{cpu:>11.2f} s {at_start / 1024:>16,.0f} KiB")
    print(f"  Measured between the two, with TLS and HTTP/2: an hour's changes and bookmarks, and one re-opening of a\n"
          f"  watch ({opening[0]} bytes to the agent, {opening[1]} "
          f"from it), counted {REOPENINGS} times for each watch: "
          f"the agent asks for 5 to 10\n  minutes. Assumed: {BOOKMARKS} bookmarks for each watch; for each failing pod "
          f"{FLIPS} changes of its status (back-off at 5\n  minutes) and {EVENTS} of its events (all that the "
          "kubelet's filter lets through). CPU is for the traffic alone. Not in it:\n  TCP's own packets, such as "
          "a keepalive after 10 s of silence.")


# --- memory ---------------------------------------------------------------------------------------------

def kubelet_pods(count):
    with open(os.path.join(RECORDINGS, "kubelet.pods.json")) as source:
        items = json.load(source)["items"]
    pods = []
    for i in range(count):
        pod = copy.deepcopy(items[i % len(items)])
        pod["metadata"].update(name=f"web-{i:04d}", uid=f"00000000-0000-4000-8000-{i:012d}")
        pods.append(pod)
    return pods


def first_list(binary, templates, pods, how):
    """(peak, resident, anonymous) KiB of an agent that has read its first list."""
    with Run(binary, templates) as run:
        if how == "kubelet":
            kubelet = KubeletApi(os.path.join(run.folder, "kubelet"), kubelet_pods(pods))
            run.parts.append(kubelet)
            run.start_agent(kubelet.agent_flags())
        else:
            run.start_double(run.cluster(pods, min(pods, FAILING)), 0)
            if how == "list":
                run.double.fault("no-streaming", times=0)
            run.start_agent([*run.double.agent_flags(), "--kube.events=off"])
        time.sleep(1)
        return [run.status(field) for field in ("VmHWM", "VmRSS", "RssAnon")]


def report_memory(binary, templates):
    print("\nMemory of the agent after its first list (MiB)        peak   resident   of it anonymous")
    ways = (("streaming list, protobuf", "stream"), ("list, protobuf", "list"), ("the kubelet's list, JSON", "kubelet"))
    for name, how in ways:
        for pods in (110, 500):
            runs = sorted(first_list(binary, templates, pods, how) for _ in range(3))
            peak, resident, anonymous = (kib / 1024 for kib in runs[1])
            print(f"  {name:<26} {pods:>4} pods              {peak:>8.1f} {resident:>10.1f} {anonymous:>17.1f}")
    print(f"  The median of three runs each, without a runtime; {FAILING} of the API server's pods fail, most of the "
          "kubelet's.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--agent", default=os.path.join(ROOT, "build", "imagepull-exporter"))
    parser.add_argument("--seconds", type=int, default=60, help="how long an hour takes")
    args = parser.parse_args()
    templates = Templates()
    report_hour(args.agent, templates, args.seconds)
    report_memory(args.agent, templates)


if __name__ == "__main__":
    main()
