#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
What many agents cost a real API server, and how fast they are: one agent for each node, each node with 30 pods.

    tests/cluster/in-namespaces tests/bench/bench_fleet.py [--agent FILE] [--agents N,...] [--pods N] [--seconds N]

etcd and the API server are real; kubelets and controllers are played (fleet.py). All programs share one machine. At
the largest number of nodes, the same is measured without agents, and with as many watches as kubelets hold instead.
"""

import argparse
import os
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from fleet_plane import ROOT, ControlPlane  # noqa: E402
from fleet import Fleet, Leases  # noqa: E402
from fleet_latency import print_latency  # noqa: E402
from fleet_meters import Meter, cpu_seconds  # noqa: E402
from fleet_report import print_comparison, print_computed, print_phases  # noqa: E402
from fleet_watchers import Agents, Kubelets, Nobody  # noqa: E402
from lab import Ended, end_on_signals  # noqa: E402
from procs import LabError  # noqa: E402

SHARE, BATCH = 6, 50  # of rollout_pairs(): one pod in 6, always 50 of them together
HEALTHY_SECONDS = 60  # agent/kube/reflector_end.c


class Bench:
    """The phases, with these watchers, at the nodes that the fleet has now. Their figures are in `phases`."""

    def __init__(self, plane, fleet, watchers, seconds):
        self.plane, self.fleet, self.watchers, self.seconds = plane, fleet, watchers, seconds
        self.meter, self.phases = Meter(plane, watchers), {}
        self.pair = None

    def _measure(self, phase, action, prepare=None, restarted=False, pad=True):
        """
        `action` returns a note, or None. What `prepare` does is only in the figures of the agents. `pad`: measure for
        `seconds` at least.
        """
        self.meter.begin_agents()
        if prepare:
            prepare()
        self.meter.begin_server(restarted)
        began = time.monotonic()
        note = action()
        if pad:
            time.sleep(max(0, began + self.seconds - time.monotonic()))
        figures = self.phases[phase] = self.meter.end()
        figures.note = note or ""
        return figures

    def start(self):
        self._measure("start", lambda: self.watchers.start(self.fleet.nodes), pad=False)

    def idle(self):
        self._measure("idle", lambda: None)

    def leases(self):
        """Idle again, but the lease of every node is renewed."""
        leases = Leases(self.fleet)
        self._measure("idle, leases", leases.start)
        leases.end()

    def restart(self):
        """From the start of a new API server until every watcher has read again."""
        def prepare():
            self.fleet.renew(self.fleet.nodes[0])  # as always in a cluster, something was written meanwhile
            self.plane.apiserver.kill()
            self.plane.apiserver.start()

        def action():
            began = time.time()
            self.plane.wait_ready()
            ready = time.time()
            self.watchers.wait_connected(began)
            self.connected = time.monotonic()
            return f"ready after {ready - began:.1f} s, all read again {time.time() - ready:.1f} s later"

        self._measure("restart", action, prepare, restarted=True)

    def relist(self):
        """
        The agents sleep while the API server is restarted, pods change, and etcd forgets what was before. An agent
        whose watch was lost within a minute waits longer than others before it tries again, so this minute is over.
        """
        time.sleep(max(0, self.connected + HEALTHY_SECONDS - time.monotonic()))
        expired = self.watchers.reconnects("expired")

        def prepare():
            self.watchers.pause()
            self.fleet.renew(self.fleet.nodes[0])
            self.plane.restart()
            self.fleet.touch()
            self.plane.etcd.compact()

        def action():
            woken = time.time()
            self.watchers.resume()
            self.watchers.wait_connected(woken)
            return (f"all read again {time.time() - woken:.1f} s later, "
                    f"{self.watchers.reconnects('expired') - expired:.0f} of them after a 410")

        self._measure("relist", action, prepare)

    def rollout(self):
        pods = self.fleet.sample(1)
        self._measure("rollout", lambda: self.fleet.replace(pods), pad=False).note = f"{len(pods):,} pods replaced"

    def rollout_pairs(self):
        """
        What watchers add to the cost of a replaced pod is less than what this cost changes with time. So half of the
        watchers end, and pods without and with a watcher are replaced in turn.
        """
        watched = self.watchers.end_half()
        pods = self.fleet.sample(SHARE)
        both = [[pod for pod in pods if (pod.node in watched) is with_watcher] for with_watcher in (False, True)]
        cpu = [0, 0]
        for begin in range(0, max(map(len, both)), BATCH):
            for kind in (0, 1):
                before = cpu_seconds(self.plane.apiserver.pid)
                self.fleet.replace(both[kind][begin:begin + BATCH])
                cpu[kind] += cpu_seconds(self.plane.apiserver.pid) - before
        self.pair = [seconds / len(pods) * 1000 for seconds, pods in zip(cpu, both)]

    def failing(self):
        pods = self.fleet.failing()

        def action():
            began = time.monotonic()
            for attempt, wait in ((1, 0), (2, 10)):  # the back-off of the kubelet begins at 10 s
                time.sleep(max(0, began + wait - time.monotonic()))
                self.fleet.fail(pods, attempt)
            return f"{len(pods)} pods failed twice"

        self._measure("10 % failing", action)
        self.fleet.repair(pods)


def with_agents(plane, fleet, agents, seconds):
    bench = Bench(plane, fleet, agents, seconds)
    for phase in (bench.start, bench.restart, bench.idle, bench.rollout, bench.relist, bench.failing):
        phase()
    print_phases(f"{agents.name}, {len(fleet.pods):,} pods", bench.phases)
    return bench


def without_agents(plane, fleet, watchers, seconds):
    bench = Bench(plane, fleet, watchers, seconds)
    if watchers.watches:
        bench.start()
    bench.restart()
    bench.idle()
    if watchers.watches:
        bench.leases()
    bench.failing()
    if watchers.watches:
        bench.rollout_pairs()
    watchers.stop()
    print_phases(f"{watchers.name}: {len(fleet.nodes)} nodes, {len(fleet.pods):,} pods", bench.phases)
    return bench


def run(args, directory):
    counts = sorted({int(count) for count in args.agents.split(",")})
    began = time.monotonic()
    with ControlPlane(directory, counts[-1]) as plane, Fleet(plane, args.pods) as fleet:
        for count in counts:
            fleet.grow(count)
            if count == counts[-1]:
                nobody = without_agents(plane, fleet, Nobody(), args.seconds)
                kubelets = without_agents(plane, fleet, Kubelets(plane, args.pods), args.seconds)
            agents = Agents(args.agent, plane, fleet.nodes)
            bench = with_agents(plane, fleet, agents, args.seconds)
            if count == counts[-1]:
                print_latency(fleet, agents)
                bench.rollout_pairs()
            agents.stop()
    print_comparison(counts[-1], nobody, kubelets, bench)
    print_computed(counts[-1], args.pods, nobody, bench)
    print(f"\nThe whole run took {time.monotonic() - began:.0f} s on {os.cpu_count()} processors.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--agent", default=os.path.join(ROOT, "build", "imagepull-exporter"))
    parser.add_argument("--agents", default="1,50,200", help="numbers of agents, with commas between them")
    parser.add_argument("--pods", type=int, default=30, help="pods of each node")
    parser.add_argument("--seconds", type=int, default=20, help="how long a phase is measured at least")
    args = parser.parse_args()
    if "CLUSTER_SCRATCH" not in os.environ:
        parser.error("start this program with tests/cluster/in-namespaces")
    end_on_signals()
    try:
        run(args, tempfile.mkdtemp(prefix="fleet-", dir=os.environ["CLUSTER_SCRATCH"]))
    except Ended:
        return 1
    except LabError as error:
        print(f"bench_fleet: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
