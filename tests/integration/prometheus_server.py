# SPDX-License-Identifier: Apache-2.0
"""Prometheus (Debian's, if no other is given) as a child process, with the targets of a test, and its query API."""

import json
import os
import urllib.parse
import urllib.request

from procs import Process, clean_environment, free_port, require

_SCRAPE_INTERVAL = "1s"  # also the time for a scrape; a slow machine needs it


class Prometheus:
    """`jobs`: {name: (address, lines of YAML for the job, each without indentation)}."""

    def __init__(self, folder, jobs, program=None, features="exemplar-storage"):
        self.url = f"http://127.0.0.1:{free_port()}"
        self._config = os.path.join(folder, "prometheus.yml")
        self._jobs = dict(jobs)
        self._write()
        self._process = Process("Prometheus", [
            program or require("prometheus", "prometheus"), f"--config.file={self._config}",
            f"--storage.tsdb.path={os.path.join(folder, 'tsdb')}",
            f"--web.listen-address={self.url.removeprefix('http://')}", "--log.level=warn",
            f"--enable-feature={features}"], os.path.join(folder, "prometheus.log"), clean_environment())

    def _write(self):
        with open(self._config, "w") as config:
            config.write(f"global: {{scrape_interval: {_SCRAPE_INTERVAL}, scrape_timeout: {_SCRAPE_INTERVAL}}}\n"
                         "scrape_configs:\n")
            for name, (address, lines) in self._jobs.items():
                config.write(f"- job_name: {name}\n")
                for line in [*lines, f"static_configs: [{{targets: ['{address}']}}]"]:
                    config.write(f"  {line}\n")

    def _get(self, path, **query):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.url}{path}?{urllib.parse.urlencode(query)}", timeout=120) as answer:
            return json.load(answer)["data"]

    def wait_ready(self):
        def ready():
            try:
                return self._get("/api/v1/status/buildinfo")
            except OSError:
                return False

        self._process.wait_until(ready, "its API")

    def query(self, expression):
        """{labels without job and instance: value}, labels as a frozen set of pairs."""
        found = {}
        for series in self._get("/api/v1/query", query=expression)["result"]:
            labels = {k: v for k, v in series["metric"].items() if k not in ("job", "instance")}
            found[frozenset(labels.items())] = float(series["value"][1])
        return found

    def exemplars(self, expression, start, end):
        """[(labels of the series, labels of the exemplar, time)]."""
        return [(result["seriesLabels"], exemplar["labels"], float(exemplar["timestamp"]))
                for result in self._get("/api/v1/query_exemplars", query=expression, start=start, end=end)
                for exemplar in result["exemplars"]]

    def targets(self):
        """{job: (health, last error)}."""
        return {target["labels"]["job"]: (target["health"], target["lastError"])
                for target in self._get("/api/v1/targets")["activeTargets"]}

    def stop(self):
        return self._process.stop()
