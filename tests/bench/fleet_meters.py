# SPDX-License-Identifier: Apache-2.0
"""What a phase costs: processor time and memory from /proc, watches and bytes from /metrics."""

import dataclasses
import itertools
import os
import statistics
import time

from agent import Metrics

TICK = os.sysconf("SC_CLK_TCK")
MIB, KIB = 1 << 20, 1 << 10


def cpu_seconds(pid):
    """Processor time of a process so far, in user and kernel mode."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def exact_cpu_seconds(pid):
    """The same of the threads that exist now, but exact: an idle agent needs less than one tick in a minute."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as stat:
            total += int(stat.read().split()[0])
    return total / 1e9


def memory(pid, field):
    """A value of /proc/PID/status in MiB."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(field + ":"))


class ServerCounters:
    """What the API server says about its watches and lists, those of its own parts included."""

    OPEN, WATCHED, LISTED = NAMES = (
        "apiserver_longrunning_requests", "apiserver_watch_events_sizes_sum", "apiserver_response_sizes_sum")

    def __init__(self, text=""):
        metrics = Metrics("\n".join(line for line in text.splitlines() if line.startswith(self.NAMES)))
        self.watches = metrics.value(self.OPEN, verb="WATCH") or 0
        self.event_watches = metrics.value(self.OPEN, verb="WATCH", resource="events") or 0
        self.sent = (metrics.value(self.WATCHED) or 0) + (metrics.value(self.LISTED, verb="LIST") or 0)


@dataclasses.dataclass
class AgentFigures:
    """Medians over the agents."""
    received: float  # KiB
    cpu: float  # ms
    private: float  # MiB of anonymous memory
    resident: float  # MiB


@dataclasses.dataclass
class Figures:
    """Of one phase. `cpu`, `memory` and what follows are the API server's."""
    seconds: float
    cpu: float
    memory: float
    watches: float
    event_watches: float
    sent: float
    etcd_cpu: float
    agent: AgentFigures
    note: str = ""

    @property
    def cpu_per_minute(self):
        return self.cpu / self.seconds * 60


def _median_growth(before, after):
    """`before` is empty where the processes have started since."""
    return statistics.median(now - then for then, now in itertools.zip_longest(before, after, fillvalue=0))


class Meter:
    """
    Measures from begin_agents() and begin_server() to end(). Its own requests are before and after the time that it
    measures.
    """

    def __init__(self, plane, watchers):
        self._plane, self._watchers = plane, watchers

    def begin_agents(self):
        self._received = self._read_received()
        self._agent_cpu = self._read_agent_cpu()

    def begin_server(self, restarted=False):
        """`restarted`: measure an API server from its start, which is now."""
        self._sent = 0 if restarted else self._read_server().sent
        self._etcd_cpu = cpu_seconds(self._plane.etcd.pid)
        self._cpu = 0 if restarted else cpu_seconds(self._plane.apiserver.pid)
        self._began = time.monotonic()

    def end(self):
        seconds = time.monotonic() - self._began
        cpu = cpu_seconds(self._plane.apiserver.pid) - self._cpu
        etcd_cpu = cpu_seconds(self._plane.etcd.pid) - self._etcd_cpu
        rss = memory(self._plane.apiserver.pid, "VmRSS")
        agent = self._end_agents()
        server = self._read_server()
        return Figures(seconds, cpu, rss, server.watches, server.event_watches, (server.sent - self._sent) / MIB,
                       etcd_cpu, agent)

    def _end_agents(self):
        agents = self._watchers.agents
        if not agents:
            return None
        cpu = _median_growth(self._agent_cpu, self._read_agent_cpu())
        private, resident = (statistics.median(memory(agent.pid, field) for agent in agents)
                             for field in ("RssAnon", "VmRSS"))
        return AgentFigures(_median_growth(self._received, self._read_received()) / KIB, cpu * 1000, private, resident)

    def _read_server(self):
        return ServerCounters(self._plane.api.text("/metrics"))

    def _read_agent_cpu(self):
        return [exact_cpu_seconds(agent.pid) for agent in self._watchers.agents]

    def _read_received(self):
        return [agent.metrics().value("imagepull_source_received_bytes_total") for agent in self._watchers.agents]
