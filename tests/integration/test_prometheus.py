# SPDX-License-Identifier: Apache-2.0
"""Debian's Prometheus scrapes the agent in both formats, and its query API returns what the agent exposes."""

import gzip
import http.client
import http.server
import os
import re
import subprocess
import threading
import time
import unittest

from prometheus_client.openmetrics.parser import text_string_to_metric_families

import support
from agent import Metrics
from pods import Pods, pod, waiting
from procs import require
from prometheus_server import Prometheus

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
# Metrics that change from one scrape to the next although nothing happens on the node.
RESTLESS = re.compile(r"^(imagepull_source_(received|last|reconnects)|imagepull_cri_request|imagepull_attempts)")
SERIES_AT_WORST = 1000


def fetch(address, path="/metrics", method="GET", **headers):
    """(status, headers, body) of one request."""
    connection = http.client.HTTPConnection(*address, timeout=120)
    try:
        connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


class Relay:
    """A server that answers each GET with `answer(path)`: (Content-Type, body)."""

    def __init__(self, answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                content_type, body = answer(self.path)
                self.send_response(200)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = self._server.server_address[:2]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def golden(path):
    """The pages of tests/data/exporter, which contain a sample of every metric."""
    name = {"/openmetrics": "metrics-openmetrics.txt", "/created": "metrics-created.txt", "/text": "metrics.txt"}[path]
    with open(os.path.join(support.ROOT, "tests", "data", "exporter", name), "rb") as source:
        return (TEXT if path == "/text" else OPENMETRICS), source.read()


def series(metrics):
    """The samples as Prometheus returns them: {labels with the name: value}."""
    return {frozenset({**sample.labels, "__name__": sample.name}.items()): sample.value for sample in metrics.samples}


def at(address):
    return f"{address[0]}:{address[1]}"


class Scraped(unittest.TestCase):
    """An API server with pods that cannot pull, an agent, and Prometheus."""

    @classmethod
    def setUpClass(cls):
        folder = support.Folder()
        cls.addClassCleanup(folder.remove)
        double = support.start_api(cls, folder.path)
        pods = Pods(double.client())
        pods.create_failing("web-0")
        pods.create_failing("web-1", 'dial tcp: lookup registry.example.com on 10.0.0.10:53: no such host "<&>"')
        cls.agent = support.start_agent(cls, ["--node-name=lab-node", *double.agent_flags(),
                                              "--cri.endpoint=unix:///nonexistent/containerd.sock"])
        cls.agent.wait_ready()
        text = Relay(lambda path: (TEXT, fetch(cls.agent.web)[2]))
        cls.addClassCleanup(text.stop)
        recorded = Relay(golden)
        cls.addClassCleanup(recorded.stop)
        cls.prometheus = Prometheus(folder.path, {
            "openmetrics": (at(cls.agent.web), []),
            "text": (at(text.address), []),
            "golden-openmetrics": (at(recorded.address), ["metrics_path: /openmetrics"]),
            "golden-created": (at(recorded.address), ["metrics_path: /created"]),
            "golden-text": (at(recorded.address), ["metrics_path: /text"]),
        })
        cls.addClassCleanup(cls.prometheus.stop)
        cls.prometheus.wait_ready()

    def assert_up(self):
        def up():
            self.assertEqual(self.prometheus.targets(), {job: ("up", "") for job in (
                "openmetrics", "text", "golden-openmetrics", "golden-created", "golden-text")})

        support.wait_for(up, "all targets are up")

    def held(self, accept):
        """The samples of the agent now, without those that change all the time."""
        body = fetch(self.agent.web, Accept=accept)[2].decode()
        metrics = Metrics("\n".join(line.partition(" # {")[0] for line in body.splitlines()))
        return {labels: value for labels, value in series(metrics).items()
                if not RESTLESS.match(dict(labels)["__name__"]) and dict(labels)["__name__"].startswith("imagepull_")}

    def assert_given_back(self, job, accept):
        def same():
            stored = self.prometheus.query(f'{{job="{job}",__name__=~"imagepull_.+"}}')
            held = self.held(accept)
            self.assertGreater(len(held), 20)
            self.assertEqual({labels: stored.get(labels) for labels in held}, held)
            names = {dict(labels)["__name__"] for labels in stored}
            self.assertEqual([name for name in names if name.endswith("_created")], [])

        support.wait_for(same, f"job {job} holds what the agent holds")

    def test_prometheus_stores_openmetrics(self):
        self.assert_up()
        self.assert_given_back("openmetrics", "application/openmetrics-text")

    def test_prometheus_stores_text(self):
        self.assert_up()
        self.assert_given_back("text", "text/plain")

    def test_a_query_finds_what_blocks_a_container(self):
        def stored_labels():
            found = self.prometheus.query('imagepull_container_blocked_info{job="openmetrics"}')
            found_labels = {(dict(labels)["pod"], dict(labels)["cause"]) for labels in found}
            self.assertEqual(found_labels, {("web-0", "unauthorized"), ("web-1", "network")})

        support.wait_for(stored_labels, "both pods and their causes")

    def test_a_sample_of_everything_is_accepted(self):
        self.assert_up()
        for form in ("text", "openmetrics", "created"):
            _, body = golden("/" + form)
            lines = [line for line in body.decode().splitlines() if not line.startswith("#")]
            query = f'{{job="golden-{form}",__name__=~"(imagepull|process)_.+"}}'
            support.wait_for(lambda: self.assertEqual(len(self.prometheus.query(query)), len(lines)),
                             f"every sample in the format {form}")

    def test_a_strict_reader_of_openmetrics_finds_the_same(self):
        for form in ("openmetrics", "created"):
            with self.subTest(form):
                text = golden("/" + form)[1].decode()
                read = {frozenset((k, v) for k, v in {**sample.labels, "__name__": sample.name}.items() if v): sample.value
                        for family in text_string_to_metric_families(text) for sample in family.samples}
                self.assertEqual(len(read), len([line for line in text.splitlines() if not line.startswith("#")]))
                query = f'{{job="golden-{form}",__name__=~"(imagepull|process)_.+"}}'
                support.wait_for(lambda q=query, r=read: self.assertEqual(self.prometheus.query(q), r),
                                 f"Prometheus stores what the reader finds, in the format {form}")

    def test_exemplars_are_stored(self):
        def stored():
            found = self.prometheus.exemplars('imagepull_failures_total{job="golden-openmetrics"}', 1795300000, 1795301000)
            self.assertEqual([(labels["cause"], exemplar, time) for labels, exemplar, time in found],
                             [("unauthorized", {"pod": "web-0", "namespace": "default"}, 1795300769.0)])

        support.wait_for(stored, "the golden page's exemplar")


class Exemplars(unittest.TestCase):
    """Exemplars: which pod failed, from the pod's status to the API of Prometheus."""

    SHORT = ("default", "web-0", "short.example.com")
    # OpenMetrics allows 128 characters: LONG exceeds them with its namespace, LONGER without it.
    LONG = ("a-namespace-" + "n" * 40, "long-" + "p" * 95, "long.example.com")
    LONGER = ("default", "longer-" + "p" * 240, "longer.example.com")

    @classmethod
    def setUpClass(cls):
        cls.folder = support.Folder()
        cls.addClassCleanup(cls.folder.remove)
        double = support.start_api(cls, cls.folder.path)
        cls.agent = support.start_agent(cls, ["--node-name=lab-node", *double.agent_flags(),
                                              "--cri.endpoint=unix:///nonexistent/containerd.sock"])
        cls.agent.wait_ready()
        cls.began = time.time()
        for namespace, name, registry in (cls.SHORT, cls.LONG, cls.LONGER):
            cls.fail_to_pull(double.client(), namespace, name, f"{registry}/team/app:v1")

    @staticmethod
    def fail_to_pull(admin, namespace, name, image):
        metadata = {"name": name, "namespace": namespace}
        admin.create("pods", {**pod(name, image=image), "metadata": metadata}, namespace)
        status = waiting("ErrImagePull", f'failed to resolve reference "{image}": {image}: not found')
        admin.update("pods", {"metadata": metadata, "status": {"phase": "Pending", "containerStatuses": [status]}}, "status")

    def counted(self):
        """The exemplars of the failures counter: {registry: exemplar or None}."""
        body = fetch(self.agent.web, Accept="application/openmetrics-text")[2].decode()
        families = {family.name: family for family in text_string_to_metric_families(body)}
        with_exemplar = [s for family in families.values() for s in family.samples if s.exemplar]
        samples = [s for s in families["imagepull_failures"].samples if s.value]
        self.assertEqual([s for s in with_exemplar if s not in samples], [], "only what has counted one has an example")
        self.assertEqual({(s.labels["cause"], s.value) for s in samples}, {("not_found", 1)})
        return {s.labels["registry"]: s.exemplar for s in samples}

    def shown(self):
        exemplars = support.wait_for(lambda: len(self.counted()) == 3 and self.counted(), "three failures")
        self.assertIsNone(exemplars.pop(self.LONGER[2]))
        return exemplars

    def test_openmetrics_names_the_pod_within_its_limit(self):
        shown = self.shown()
        self.assertEqual({registry: (exemplar.labels, exemplar.value) for registry, exemplar in shown.items()}, {
            self.SHORT[2]: ({"pod": self.SHORT[1], "namespace": self.SHORT[0]}, 1),
            self.LONG[2]: ({"pod": self.LONG[1]}, 1)})
        for exemplar in shown.values():
            self.assertTrue(self.began - 0.01 <= float(exemplar.timestamp) <= time.time() + 0.01, exemplar.timestamp)

    def test_text_has_no_exemplars(self):
        self.shown()
        self.assertNotIn(b" # ", b"".join(line for line in fetch(self.agent.web)[2].splitlines() if line[:1] != b"#"))

    def test_prometheus_returns_the_exemplars(self):
        shown = self.shown()
        prometheus = Prometheus(self.folder.path, {"agent": (at(self.agent.web), [])})
        self.addCleanup(prometheus.stop)
        prometheus.wait_ready()

        def stored():
            found = prometheus.exemplars("imagepull_failures_total", self.began - 60, time.time() + 60)
            self.assertEqual({labels["registry"]: (labels["cause"], exemplar) for labels, exemplar, _ in found},
                             {registry: ("not_found", exemplar.labels) for registry, exemplar in shown.items()})
            for labels, _, when in found:
                self.assertAlmostEqual(when, float(shown[labels["registry"]].timestamp), delta=0.0011)  # it keeps ms
            self.assertEqual(prometheus.targets(), {"agent": ("up", "")})

        support.wait_for(stored, "both exemplars are stored")


class Formats(unittest.TestCase):
    """Content negotiation with the headers of real clients. The agent has no sources, so it starts at once."""

    @classmethod
    def setUpClass(cls):
        cls.agent = support.start_agent(cls, ["--kube.source=none",
                                              "--cri.endpoint=unix:///nonexistent/containerd.sock"])
        cls.agent.wait_listening()

    def test_text_is_the_default(self):
        status, headers, body = fetch(self.agent.web)
        self.assertEqual((status, headers["Content-Type"]), (200, TEXT))
        self.assertEqual(headers["Vary"], "Accept, Accept-Encoding")
        self.assertNotIn("Content-Encoding", headers)
        self.assertNotIn(b"# EOF", body)
        checked = subprocess.run([require("promtool", "prometheus"), "check", "metrics"], input=body,
                                 capture_output=True)
        self.assertEqual((checked.returncode, checked.stdout + checked.stderr), (0, b""))

    def test_openmetrics_and_gzip_as_prometheus_asks(self):
        status, headers, body = fetch(
            self.agent.web, Accept="application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            Accept_Encoding="gzip")
        self.assertEqual((status, headers["Content-Type"], headers["Content-Encoding"]), (200, OPENMETRICS, "gzip"))
        self.assertEqual(len(body), int(headers["Content-Length"]))
        families = list(text_string_to_metric_families(gzip.decompress(body).decode()))
        self.assertIn("imagepull_source_up", [family.name for family in families])

    def test_head_is_get_without_the_body(self):
        for headers in ({}, {"Accept_Encoding": "gzip"}):
            status, head, body = fetch(self.agent.web, method="HEAD", **headers)
            self.assertEqual((status, body), (200, b""))
            self.assertGreater(int(head["Content-Length"]), 100)
            self.assertEqual(head.get("Content-Encoding"), headers.get("Accept_Encoding"))

    def test_curl_can_read_both(self):
        for flags in ([], ["--compressed"], ["--head"]):
            subprocess.run(["curl", "--silent", "--fail", "--noproxy", "*", *flags, f"http://{at(self.agent.web)}/metrics"],
                           check=True, capture_output=True)


class Hostile(unittest.TestCase):
    """The worst names and messages that an API server accepts: every format stays valid and within its limit."""

    NAMES = ('quote"and\\backslash', "two\nlines", "<script>alert(1)</script>", "x\"} 1\nforged_total{a=\"",
             "ünïcode-\u202e-\U0001f4a3", "# EOF", "not-found/unauthorized-401")

    @classmethod
    def setUpClass(cls):
        double = support.start_api(cls)
        pods = Pods(double.client())
        for number in range(25):
            cls.create(pods, number)
        cls.agent = support.start_agent(cls, ["--node-name=lab-node", *double.agent_flags(),
                                              "--cri.endpoint=unix:///nonexistent/containerd.sock"])
        cls.agent.wait_ready()

    @classmethod
    def create(cls, pods, number):
        """A pod with 100 containers. Half of the images are invalid, each other one has its own registry."""
        images = [f"evil-{number}-{i}.example.com/{cls.NAMES[i // 2 % len(cls.NAMES) if i % 2 else -1]}:v1"
                  for i in range(100)]
        pods.create({"metadata": {"name": f"evil-{number}"},
                     "spec": {"nodeName": "lab-node",
                              "containers": [{"name": f"c-{i}", "image": image} for i, image in enumerate(images)]}},
                    *(waiting("ErrImagePull", image * (3000 if i == 5 else 1) + ": not found", f"c-{i}")
                      for i, image in enumerate(images)))

    def test_both_formats_are_valid_and_bounded(self):
        def seen():
            self.assertGreater(self.agent.metrics().value("imagepull_container_blocked_left_out"), 1000)

        support.wait_for(seen, "the agent has seen them")
        text = fetch(self.agent.web)[2]
        checked = subprocess.run([require("promtool", "prometheus"), "check", "metrics"], input=text, capture_output=True)
        self.assertEqual((checked.returncode, checked.stdout + checked.stderr), (0, b""))
        lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
        self.assertLess(len(lines), SERIES_AT_WORST)
        self.assertEqual([line for line in lines if not line.startswith(("imagepull_", "process_"))], [])

        openmetrics = fetch(self.agent.web, Accept="application/openmetrics-text")[2].decode()
        samples = [s for family in text_string_to_metric_families(openmetrics) for s in family.samples]
        self.assertLess(len(samples), SERIES_AT_WORST)
        # Only the series of single containers and of namespaces, which have limits of their own, have the true names.
        self.assertEqual(len({s.labels["registry"] for s in samples if "registry" in s.labels
                              and not s.name.startswith(("imagepull_container_", "imagepull_namespace_"))}), 17)
        self.assertLessEqual(len({s.labels["registry"] for s in samples
                                  if s.name.startswith("imagepull_namespace_")}), 4)

    def test_prometheus_accepts_it(self):
        folder = support.Folder()
        self.addCleanup(folder.remove)
        prometheus = Prometheus(folder.path, {"hostile": (at(self.agent.web), [])})
        self.addCleanup(prometheus.stop)
        prometheus.wait_ready()
        support.wait_for(lambda: self.assertEqual(prometheus.targets(), {"hostile": ("up", "")}), "it is up")


if __name__ == "__main__":
    unittest.main()
