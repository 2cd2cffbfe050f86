# SPDX-License-Identifier: Apache-2.0
"""How long it takes from the answer to a kubelet's write of a status until /metrics shows it."""

import time

from procs import LabError

WRITES = 300


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


class Watch:
    """Scrapes one agent without a pause, and counts the blocked containers that it shows."""

    def __init__(self, agent):
        self._agent, self.scrapes = agent, []

    def blocked(self):
        began = time.monotonic()
        text = self._agent.get("/metrics")[1]
        self.scrapes.append(time.monotonic() - began)
        return sum(int(line.rpartition(" ")[2]) for line in text.splitlines()
                   if line.startswith("imagepull_blocked_containers{"))

    def seconds_until(self, count):
        began = time.monotonic()
        while self.blocked() != count:
            if time.monotonic() > began + 60:
                raise LabError(f"/metrics did not show {count} blocked containers within a minute")
        return time.monotonic() - began


def print_latency(fleet, agents):
    """All other agents go on meanwhile."""
    pods = [pod for pod in fleet.pods if pod.node == fleet.nodes[0]]
    watch = Watch(agents.agents[0])
    watch.seconds_until(0)
    watch.scrapes.clear()
    appears, disappears = [], []
    for number in range(WRITES):
        pod = pods[number % len(pods)]
        for status, count, seconds in ((pod.failed_pull(), 1, appears), (pod.running(), 0, disappears)):
            fleet.write_status(pod, status)
            seconds.append(watch.seconds_until(count))
    print(f"\nFrom the API server's answer to a kubelet's write of a status until /metrics shows it\n"
          f"  {WRITES} writes each                p50        p99")
    for what, values in (("a failure appears", appears), ("it disappears", disappears), ("one scrape", watch.scrapes)):
        print(f"  {what:<22} {percentile(values, 50) * 1000:>7.1f} ms {percentile(values, 99) * 1000:>7.1f} ms")
    print(f"  One of {len(agents.agents)} agents is scraped without a pause. The end of the scrape that shows it "
          "counts.", flush=True)
