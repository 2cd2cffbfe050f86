# SPDX-License-Identifier: Apache-2.0
"""Prometheus with the rules of deploy/, Alertmanager with the example of deploy/, and a receiver."""

import http.server
import json
import os
import re
import sys
import threading
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
DEPLOY = os.path.join(ROOT, "deploy")
sys.path.insert(0, os.path.join(ROOT, "tests", "lab"))

import yaml  # noqa: E402
from procs import Process, clean_environment, free_port, require  # noqa: E402

INTERVAL = "1s"
# Minutes become seconds. Everything else is as in deploy/. On a slow machine several scrapes in a row can fail:
# `keep_firing_for` is longer than that.
# ImagePullKeepsFailing keeps its 30 minutes, which must be longer than the 15 that it looks back.
SHORTER = {r"(\n +for:) (?!30m)\w+\n": r"\1 1s\n", r"(\n +keep_firing_for:) \w+\n": r"\1 10s\n"}
SHORTER_RULES = {
    "containers": {**SHORTER, r"> 180(?=\)|\n)": "> 3"},
    "registries": {**SHORTER, r"\n +interval: 2m": ""},
    # Longer than the time until the first scrape: "no agent at all" must not fire at the start.
    "exporter": {**SHORTER, r"(\n +for:) \w+\n": r"\1 10s\n"},
}
SHORTER_ALERTMANAGER = {r"group_wait: 30s": "group_wait: 500ms", r"group_interval: 5m": "group_interval: 1s"}


def get(url, data=None):
    """Returns the JSON of a URL. Posts `data` as JSON if it is given."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, None if data is None else json.dumps(data).encode(),
                                     {"Content-Type": "application/json"})
    with opener.open(request, timeout=120) as answer:
        return json.loads(answer.read() or b"null")


def shortened(path, replacements):
    """The text of the file with all replacements. A replacement that matches nothing is an error."""
    with open(path) as source:
        text = source.read()
    for pattern, replacement in replacements.items():
        text, found = re.subn(pattern, replacement, text)
        if not found:
            raise AssertionError(f"{path} does not match {pattern!r} any more")
    return text


def discovering_job():
    """The job of deploy/prometheus/scrape.yaml, which finds the agents through the API server."""
    with open(os.path.join(DEPLOY, "prometheus", "scrape.yaml")) as source:
        job, = yaml.safe_load(source)["scrape_configs"]
    return job


def scrape_job(*targets, node="lab-node"):
    """
    The job of deploy/prometheus/scrape.yaml with static targets, because Debian's Prometheus is built without
    Kubernetes service discovery. The targets have the labels that service discovery and a PodMonitor would add. These
    must not replace the same labels of the metrics.
    """
    job = discovering_job()
    del job["kubernetes_sd_configs"]
    job["static_configs"] = [{"targets": list(targets), "labels": {
        "cluster": "lab", "namespace": "imagepull-exporter", "pod": "imagepull-exporter-x7k2p",
        "container": "imagepull-exporter", "endpoint": "metrics", "__meta_kubernetes_pod_node_name": node,
        "__meta_kubernetes_pod_container_port_name": "metrics",
        "__meta_kubernetes_pod_label_app_kubernetes_io_name": "imagepull-exporter"}}]
    return job


class Server:
    """A child process with an HTTP API on a free port of 127.0.0.1."""

    def start(self, name, folder, argv, probe, environment=None):
        self._process = Process(name, argv, os.path.join(folder, name + ".log"),
                                clean_environment(**(environment or {})))
        self._process.wait_until(lambda: self._answers(probe), probe)

    def __init__(self):
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"

    def _answers(self, probe):
        try:
            get(self.url + probe)
            return True
        except OSError:
            return False

    def stop(self):
        self._process.stop()


class Prometheus(Server):
    """`job` is one of scrape_configs. `program` is another than the installed one; `environment` is added to its own."""

    def __init__(self, folder, job, alertmanager=None, program=None, environment=None):
        super().__init__()
        managers = [alertmanager.address] if alertmanager else []
        for name, replacements in SHORTER_RULES.items():
            with open(os.path.join(folder, name + ".rules.yaml"), "w") as out:
                out.write(shortened(os.path.join(DEPLOY, "alerts", name + ".rules.yaml"), replacements))
        config = os.path.join(folder, "prometheus.yaml")
        with open(config, "w") as out:
            yaml.safe_dump({
                "global": {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL, "evaluation_interval": INTERVAL},
                "rule_files": [os.path.join(folder, "*.rules.yaml")],
                "alerting": {"alertmanagers": [{"static_configs": [{"targets": managers}]}]},
                "scrape_configs": [job],
            }, out)
        self.start("prometheus", folder, [
            program or require("prometheus", "prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder}/tsdb",
            f"--web.listen-address={self.address}", "--log.level=warn", "--rules.alert.resend-delay=1s"],
            "/api/v1/status/buildinfo", environment)

    def query(self, expression):
        """Returns [(labels, value)]."""
        answer = get(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")["data"]
        return [(series["metric"], float(series["value"][1])) for series in answer["result"]]

    def times(self, expression, start, end):
        """Every second from `start` to `end` for which the expression has a value."""
        query = urllib.parse.urlencode({"query": expression, "start": start, "end": end, "step": 1})
        answer = get(f"{self.url}/api/v1/query_range?{query}")["data"]
        return {time for series in answer["result"] for time, _ in series["values"]}

    def rule_problems(self):
        """The errors from the evaluation of the rules."""
        groups = get(self.url + "/api/v1/rules")["data"]["groups"]
        return [(rule["name"], rule["lastError"]) for group in groups for rule in group["rules"]
                if rule.get("lastError")]


class Alertmanager(Server):
    """Has the receivers of the example, with the address of `receiver`."""

    def __init__(self, folder, receiver):
        super().__init__()
        config = os.path.join(folder, "alertmanager.yaml")
        text = shortened(os.path.join(DEPLOY, "prometheus", "alertmanager.yaml"),
                         {**SHORTER_ALERTMANAGER, r"http://alert-receiver\.example": receiver.url})
        with open(config, "w") as out:
            out.write(text)
        self.start("alertmanager", folder, [
            require("prometheus-alertmanager", "prometheus-alertmanager"), f"--config.file={config}",
            f"--storage.path={folder}/alertmanager", f"--web.listen-address={self.address}",
            "--cluster.listen-address=", "--log.level=warn"], "/api/v2/status")

    def post(self, *alerts):
        get(self.url + "/api/v2/alerts", [{"labels": labels, "annotations": {"summary": "posted by a test"}}
                                          for labels in alerts])


class Receiver:
    """Records what Alertmanager sends: (path, alert) for each alert in each message."""

    def __init__(self):
        received, lock = [], threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    received.extend((self.path.strip("/"), alert) for alert in message["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._received, self._lock = received, lock
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def alerts(self, status, alertname, **labels):
        """[(receiver, alert)] with this status and these labels, in the order of arrival."""
        wanted = {"alertname": alertname, **labels}
        with self._lock:
            return [(path, alert) for path, alert in self._received
                    if alert["status"] == status and wanted.items() <= alert["labels"].items()]

    def names(self):
        with self._lock:
            return {alert["labels"]["alertname"] for _, alert in self._received}

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
