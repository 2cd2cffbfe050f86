# SPDX-License-Identifier: Apache-2.0
"""
What the rules of deploy/alerts cost a Prometheus that holds the series of many nodes: how long it takes to evaluate each
group, and which rules take longest. The series are generated: those that the rules read, of healthy nodes, and of some
nodes where containers are blocked.

    bench_rules.py [--nodes N] [--minutes N]

Windows of an hour are full only after an hour; a window of N minutes costs N/60 of that.
"""

import argparse
import http.server
import os
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "tests", "e2e"), os.path.join(ROOT, "tests", "lab")]

import stack  # noqa: E402
import yaml  # noqa: E402
from procs import require  # noqa: E402

INTERVAL = 30
NODES_A_PAGE = 100
REGISTRIES = ("docker.io", "ghcr.io", "quay.io", "registry.k8s.io", "reg.example")
CAUSES = ("unauthorized", "not_found", "network", "rate_limited", "registry_error", "bad_image", "node", "config",
          "unknown")
BUCKETS = ("5", "20", "60", "300", "1800", "+Inf")
BLOCKED_NODES, BLOCKED = 0.02, 5  # two nodes of a hundred, five containers each


def node_series(node, number, began):
    """Each series of the node as (name, labels, value)."""
    for registry in REGISTRIES:
        yield "imagepull_attempts_total", {"registry": registry}, 20
        for cause in CAUSES:
            yield "imagepull_failures_total", {"registry": registry, "cause": cause}, 1
        for bucket in BUCKETS:
            yield "imagepull_duration_seconds_bucket", {"registry": registry, "le": bucket}, 11
        yield "imagepull_duration_seconds_count", {"registry": registry}, 11
        yield "imagepull_duration_seconds_sum", {"registry": registry}, 300
    for source in ("pods", "events", "cri"):
        yield "imagepull_source_up", {"source": source}, 1
    yield "imagepull_container_blocked_left_out", {}, 0
    yield "imagepull_runtime_info", {"runtime": "containerd", "version": "2.1.4"}, 1
    yield "up", {}, 1
    if number % int(1 / BLOCKED_NODES) == 0:
        for n in range(BLOCKED):
            cause = {"registry": REGISTRIES[n], "cause": CAUSES[n], "reason": "some_reason"}
            container = {"namespace": f"team-{number % 40}", "pod": f"web-{number}-{n}", "container": "app",
                         "image": f"{REGISTRIES[n]}/team/web:1"}
            yield "imagepull_blocked_containers", {"namespace": container["namespace"], **cause}, 1
            yield "imagepull_namespace_failures_total", {
                "namespace": container["namespace"], "registry": cause["registry"], "cause": cause["cause"]}, 7
            yield "imagepull_container_blocked_info", {**container, **cause}, 1
            yield "imagepull_container_blocked_since_timestamp_seconds", container, began


def pages(nodes):
    began, found = int(time.time()), []
    for first in range(0, nodes, NODES_A_PAGE):
        lines = []
        for number in range(first, min(first + NODES_A_PAGE, nodes)):
            node = f"node-{number:05}"
            own = {"job": "imagepull-exporter", "cluster": "large", "node": node, "instance": node}
            for name, labels, value in node_series(node, number, began):
                inside = ",".join(f'{key}="{each}"' for key, each in {**own, **labels}.items())
                lines.append(f"{name}{{{inside}}} {value}\n")
            lines.append(f'kube_node_info{{cluster="large",node="{node}",os_image="Debian"}} 1\n')
        found.append("".join(lines).encode())
    return found


def serve(all_pages):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = all_pages[int(self.path.strip("/"))]
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"127.0.0.1:{server.server_address[1]}"


class Prometheus(stack.Prometheus):
    def __init__(self, folder, address, n_pages):
        stack.Server.__init__(self)
        config = os.path.join(folder, "prometheus.yaml")
        with open(config, "w") as out:
            yaml.safe_dump({
                "global": {"scrape_interval": f"{INTERVAL}s", "scrape_timeout": f"{INTERVAL}s",
                           "evaluation_interval": f"{INTERVAL}s"},
                "rule_files": [os.path.join(stack.DEPLOY, "alerts", "*.rules.yaml")],
                "scrape_configs": [
                    {"job_name": "nodes", "honor_labels": True, "static_configs": [
                        {"targets": [address], "labels": {"__metrics_path__": f"/{page}"}} for page in range(n_pages)]},
                    {"job_name": "itself", "static_configs": [{"targets": [self.address]}]}]}, out)
        self.start("prometheus", folder, [
            require("prometheus", "prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder}/tsdb",
            f"--web.listen-address={self.address}", "--log.level=warn"], "/api/v1/status/buildinfo")

    def groups(self):
        """{group: (its interval, seconds of its last evaluation, [(seconds, rule)])}"""
        return {group["name"]: (group["interval"], group["evaluationTime"], sorted(((rule["evaluationTime"], rule["name"])
                                                                 for rule in group["rules"]), reverse=True))
                for group in stack.get(self.url + "/api/v1/rules")["data"]["groups"]}


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--nodes", type=int, default=5000)
    options.add_argument("--minutes", type=float, default=10)
    options = options.parse_args()
    all_pages = pages(options.nodes)
    with tempfile.TemporaryDirectory() as folder:
        prometheus = Prometheus(folder, serve(all_pages), len(all_pages))
        try:
            worst, end = {}, time.monotonic() + 60 * options.minutes
            while time.monotonic() < end:
                time.sleep(INTERVAL / 3)
                for name, (_, seconds, _) in prometheus.groups().items():
                    worst[name] = max(worst.get(name, 0), seconds)
            (_, series), = prometheus.query("prometheus_tsdb_head_series")
            (_, memory), = prometheus.query("process_resident_memory_bytes")
            print(f"  {options.nodes} nodes, {series:.0f} series, {memory / 2**20:.0f} MiB, after "
                  f"{options.minutes:g} minutes; load of the machine {os.getloadavg()[0]:.1f}")
            for name, (interval, seconds, rules) in prometheus.groups().items():
                print(f"  {name:24} last {seconds * 1000:7.0f} ms, worst {worst[name] * 1000:7.0f} ms, "
                      f"{100 * seconds / interval:4.1f} % of its {interval:.0f} s")
                for each, rule in rules[:3]:
                    print(f"      {each * 1000:7.0f} ms  {rule}")
            problems = prometheus.rule_problems()
        finally:
            prometheus.stop()
    for problem in problems:
        print(f"  {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
