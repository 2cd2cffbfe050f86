# SPDX-License-Identifier: Apache-2.0
"""
A real Prometheus with the relabelings of the PodMonitors and of the ServiceMonitor. The agents are HTTP servers with a
fixed answer, and a file tells Prometheus which pods there are, with the labels that the Prometheus operator gives them.
"""

import http.server
import json
import os
import re
import sys
import tempfile
import threading
import unittest
import urllib.parse

import yaml

from kubectl import ROOT

sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))

import stack  # noqa: E402
from procs import require, wait_for  # noqa: E402

COMPONENTS = os.path.join(stack.DEPLOY, "kustomize", "components")
BLOCKED = """\
imagepull_attempts_total{{registry="reg.example"}} {attempts}
imagepull_container_blocked_info{{namespace="shop",pod="web-0",container="app",image="reg.example/web:1",\
registry="reg.example",cause="not_found",reason="manifest_unknown"}} 1
imagepull_container_blocked_since_timestamp_seconds{{namespace="shop",pod="web-0",container="app",\
image="reg.example/web:1"}} 1000
"""
OWNERS = 'kube_pod_owner{namespace="shop",pod="web-0",owner_kind="ReplicaSet",owner_name="web-5d"} 1\n'


def load(*path):
    with open(os.path.join(COMPONENTS, *path)) as source:
        return yaml.safe_load(source)


class Endpoint:
    """Answers every request with `text`."""

    def __init__(self, text):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


class Prometheus(stack.Prometheus):
    """Scrapes the pods of a file every second, as the operator would write it for `monitor`."""

    def __init__(self, folder, monitor, rules, owners):
        stack.Server.__init__(self)
        self._targets = os.path.join(folder, "targets.json")
        self.pods()
        endpoint, = monitor["spec"].get("podMetricsEndpoints") or monitor["spec"]["endpoints"]
        relabelings = [{re.sub("[A-Z]", lambda letter: "_" + letter.group().lower(), key): value
                        for key, value in each.items()} for each in endpoint["relabelings"]]
        config = os.path.join(folder, "prometheus.yaml")
        with open(os.path.join(folder, "containers.rules.yaml"), "w") as out:
            yaml.safe_dump(rules, out)
        with open(config, "w") as out:
            yaml.safe_dump({
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": [os.path.join(folder, "containers.rules.yaml")],
                "scrape_configs": [
                    {"job_name": "imagepull-exporter", "honor_labels": endpoint.get("honorLabels", False),
                     "relabel_configs": relabelings,
                     "file_sd_configs": [{"files": [self._targets], "refresh_interval": "1s"}]},
                    {"job_name": "kube-state-metrics", "honor_labels": True,
                     "static_configs": [{"targets": [owners]}]}]}, out)
        self.start("prometheus", folder, [
            require("prometheus", "prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder}/tsdb",
            f"--web.listen-address={self.address}", "--log.level=warn"], "/api/v1/status/buildinfo")

    def pods(self, *pods):
        """`pods`: (name, address, ready)"""
        with open(self._targets + ".new", "w") as out:
            json.dump([{"targets": [address], "labels": {
                "namespace": "imagepull-exporter", "pod": name, "container": "imagepull-exporter",
                "endpoint": "metrics", "service": "imagepull-exporter", "__meta_kubernetes_pod_node_name": "n1",
                "__meta_kubernetes_pod_ready": ready}} for name, address, ready in pods], out)
        os.rename(self._targets + ".new", self._targets)

    def series(self, selector):
        """Every series that ever was."""
        return {tuple(sorted(each.items())) for each in stack.get(
            f"{self.url}/api/v1/series?{urllib.parse.urlencode({'match[]': selector})}")["data"]}


class Monitors(unittest.TestCase):
    def start(self, monitor, rules):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.old, self.new = (self.endpoint(BLOCKED.format(attempts=attempts)) for attempts in (500, 1))
        prometheus = Prometheus(folder, monitor, rules, self.endpoint(OWNERS).address)
        self.addCleanup(prometheus.stop)
        return prometheus

    def endpoint(self, text):
        endpoint = Endpoint(text)
        self.addCleanup(endpoint.stop)
        return endpoint

    def update_the_agent(self, prometheus):
        """As a DaemonSet with maxSurge does it. Returns the labels of the age of the blocked container."""
        age = "container:imagepull_blocked:age_seconds"
        prometheus.pods(("agent-old", self.old.address, "true"))
        labels, = wait_for(lambda: [labels for labels, _ in prometheus.query(age)], age)
        before = prometheus.series('{node="n1"}')
        prometheus.pods(("agent-old", self.old.address, "true"), ("agent-new", self.new.address, "false"))
        prometheus.pods(("agent-new", self.new.address, "true"))
        attempts = 'imagepull_attempts_total{instance="n1"}'
        wait_for(lambda: [value for _, value in prometheus.query(attempts)] == [1], "the new agent is scraped")
        self.assertEqual(prometheus.series('{node="n1"}'), before)
        self.assertEqual([value for _, value in prometheus.query(f"resets({attempts}[5m])")], [1])
        return labels

    def test_pods_join_with_kube_state_metrics_and_an_update_makes_no_new_series(self):
        with open(os.path.join(stack.DEPLOY, "alerts", "containers.rules.yaml")) as source:
            rules = yaml.safe_load(source)
        with open(os.path.join(ROOT, "docs", "metrics.md")) as source:
            join = re.findall(r"^```promql\n(.*?)^```", source.read(), re.M | re.S)[0]
        for path in (("prometheus-operator", "podmonitor.yaml"), ("service-monitor", "servicemonitor.yaml")):
            with self.subTest(path[0]):
                prometheus = self.start(load(*path), rules)
                labels = self.update_the_agent(prometheus)
                self.assertEqual((labels["namespace"], labels["pod"], labels["node"]), ("shop", "web-0", "n1"))
                (owned, _), = wait_for(lambda: prometheus.query(join), join)
                self.assertEqual(owned, {"namespace": "shop", "owner_kind": "ReplicaSet", "owner_name": "web-5d",
                                         "cause": "not_found", "reason": "manifest_unknown"})
                (labels, _), = prometheus.query("imagepull_attempts_total")
                self.assertEqual(labels, {
                    "__name__": "imagepull_attempts_total", "job": "imagepull-exporter", "instance": "n1", "node": "n1",
                    "namespace": "imagepull-exporter", "registry": "reg.example"})

    def test_a_prometheus_that_overrides_honor_labels_names_the_blocked_pod(self):
        component = "user-workload-monitoring"
        prometheus = self.start(load(component, "podmonitor.yaml"), load(component, "containers.prometheusrule.yaml")["spec"])
        labels = self.update_the_agent(prometheus)
        self.assertEqual((labels["exported_namespace"], labels["exported_pod"], labels["exported_container"]),
                         ("shop", "web-0", "app"))


if __name__ == "__main__":
    unittest.main()
