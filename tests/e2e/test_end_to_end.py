# SPDX-License-Identifier: Apache-2.0
"""
From a pod whose Secret has an old password to the alert at a receiver, and to its end after the repair: a real runtime,
the agent, Prometheus with deploy/alerts, Alertmanager with deploy/prometheus/alertmanager.yaml.
"""

import json
import os
import sys
import unittest

import stack

sys.path.insert(0, os.path.join(stack.ROOT, "tests", "integration"))

import demo_pods  # noqa: E402
import registries  # noqa: E402
import support  # noqa: E402
from cri import Cri  # noqa: E402
from images import marked_image  # noqa: E402
from lab import Lab  # noqa: E402

SPEED = 30  # the kubelet's back-off of 10 s to 5 min becomes 0.3 s to 10 s
STALL_AFTER = "10s"  # a slow machine needs seconds for the first bytes of a pull
# The agent polls every second at first. A pull must take longer to be seen.
QUICK_BYTES_A_SECOND, SLOW_BYTES_A_SECOND = 3 << 20, 1 << 20


class EndToEnd(unittest.TestCase):
    """All tests use one lab. They run in the order of their names, and the pods of one do not disturb the next."""

    @classmethod
    def setUpClass(cls):
        cls.lab = cls.enterClassContext(Lab(speed=SPEED))
        os.makedirs(cls.lab.path("stack"))
        cls.agent = support.start_agent(cls, [*cls.lab.agent_flags(), "--metrics.max-registries=100",
                                              f"--stall-after={STALL_AFTER}"], folder=cls.lab.directory)
        cls.agent.wait_ready()
        cls.receiver = stack.Receiver()
        cls.addClassCleanup(cls.receiver.stop)
        cls.alertmanager = stack.Alertmanager(cls.lab.path("stack"), cls.receiver)
        cls.addClassCleanup(cls.alertmanager.stop)
        cls.prometheus = stack.Prometheus(
            cls.lab.path("stack"), stack.scrape_job(f"{cls.agent.web[0]}:{cls.agent.web[1]}"), cls.alertmanager)
        cls.addClassCleanup(cls.prometheus.stop)

    def create(self, name, image, secret=None, namespace="default"):
        # Always, if a Secret is involved: another pod with permission may have pulled the image already.
        app = {"name": "app", "image": image, **({"imagePullPolicy": "Always"} if secret else {})}
        spec = {"nodeName": self.lab.node, "containers": [app]}
        if secret:
            spec["imagePullSecrets"] = [{"name": secret}]
        self.lab.api.create("pods", {"metadata": {"name": name, "namespace": namespace}, "spec": spec}, namespace)

    def secret(self, name, password):
        return demo_pods.pull_secret(name, self.lab.private.host, password)

    def push_late(self, tag):
        with open(self.lab.path("pause"), "rb") as program:
            self.lab.open.push(marked_image(program.read(), tag), "lab/late", tag)

    def eventually_received(self, status, alertname, count=1, **labels):
        def received():
            found = self.receiver.alerts(status, alertname, **labels)
            self.assertGreaterEqual(len(found), count, f"no {status} {alertname} {labels}; there are "
                                                       f"{sorted(self.receiver.names())}")
            return found

        return support.wait_for(received, f"{alertname} is {status}")

    def eventually_value(self, expression, value):
        support.wait_for(lambda: [v for _, v in self.prometheus.query(expression)] == [value],
                         f"{expression} is {value}")

    def test_1_a_bad_secret_fires_an_alert_and_its_repair_resolves_it(self):
        registry = self.lab.private.host
        self.lab.api.create("secrets", self.secret("regcred", "old-password"))
        self.create("billing", self.lab.private.image("lab/pause", "1"), "regcred")
        self.create("invoices", self.lab.private.image("lab/pause", "1"), "no-such-secret")

        (path, alert), *_ = self.eventually_received("firing", "ImagePullUnauthorized")
        self.assertEqual(path, "platform")
        self.assertEqual(alert["labels"], {
            "alertname": "ImagePullUnauthorized", "severity": "warning", "cluster": "lab", "cause": "unauthorized",
            "namespace": "default", "registry": registry})
        words = alert["annotations"]
        self.assertIn(f"of namespace default cannot authenticate to {registry}", words["description"])
        self.assertIn("billing (bad_credentials)", words["description"])
        self.assertIn("imagePullSecrets", words["description"])
        page = words["runbook_url"].rpartition("/")[2]
        self.assertTrue(os.path.exists(os.path.join(stack.DEPLOY, "runbooks", page)), words["runbook_url"])

        (_, alert), *_ = self.eventually_received("firing", "ImagePullSecretMissing")
        self.assertIn(f"1 container(s) of namespace default name a pull Secret for {registry} that does not exist. "
                      "The newest: invoices.", alert["annotations"]["description"])

        self.lab.api.update("secrets", self.secret("regcred", registries.PASSWORD))
        self.eventually_received("resolved", "ImagePullUnauthorized", registry=registry)
        self.assertEqual(self.lab.api.get("pods", "billing")["status"]["phase"], "Running")
        self.lab.api.create("secrets", self.secret("no-such-secret", registries.PASSWORD))
        self.eventually_received("resolved", "ImagePullSecretMissing", registry=registry)
        self.assertEqual(self.receiver.names(), {"ImagePullUnauthorized", "ImagePullSecretMissing"})
        # Each fired once, although ErrImagePull and ImagePullBackOff alternated.
        for name in self.receiver.names():
            messages = self.receiver.alerts("firing", name) + self.receiver.alerts("resolved", name)
            self.assertEqual(len({alert["startsAt"] for _, alert in messages}), 1, name)
        self.assertEqual(self.prometheus.rule_problems(), [])

    def test_2_every_query_of_the_dashboard_has_data(self):
        self.good_pulls_and_recoveries()
        self.create("stalled", self.lab.endpoints["stalls"] + "/team/app:v1")
        self.lab.registries.set_pace("slow", SLOW_BYTES_A_SECOND)
        self.create("slow", self.slow_image)
        self.create("down", self.lab.endpoints["down"] + "/team/app:v1")
        with open(os.path.join(stack.DEPLOY, "dashboard", "imagepull.json")) as source:
            dashboard = json.load(source)
        left = {target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])}
        self.assertGreater(len(left), 20)

        def all_seen():
            for expression in list(left):
                if self.prometheus.query(self.filled_in(expression, dashboard)):
                    left.remove(expression)
            self.assertEqual(left, set())

        support.wait_for(all_seen, "every query had data")
        self.variables_have_values(dashboard)
        (_, alert), *_ = self.eventually_received("firing", "ImagePullStalled", namespace="default")
        self.assertIn("stalled on lab-node", alert["annotations"]["description"])
        self.eventually_received("firing", "ImageRegistryError", registry=self.lab.endpoints["down"])
        self.assertEqual(self.prometheus.rule_problems(), [])

    def good_pulls_and_recoveries(self):
        """Two of each: rate() does not see the first value of a new histogram."""
        count = 'imagepull_duration_seconds_count{registry="%s"}' % self.lab.endpoints["slow"]
        recovered = 'imagepull_recovery_seconds_count{cause="not_found"}'
        self.lab.registries.set_pace("slow", QUICK_BYTES_A_SECOND)
        for n in (1, 2):
            self.create(f"late-{n}", self.lab.open.image("lab/late", f"v{n}"))
            self.create(f"slow-{n}", self.slow_image)
            support.wait_for(lambda pod=f"late-{n}": (pod, "app") in self.agent.failures(), "the tag is missing")
            self.push_late(f"v{n}")
            self.eventually_value(recovered, n)
            self.eventually_value(count, n)
            self.forget_slow_image(f"slow-{n}")

    @property
    def slow_image(self):
        return self.lab.endpoints["slow"] + "/team/app:v1"

    def forget_slow_image(self, pod):
        """Removes the image, so that it is pulled again. A container that uses it would prevent this."""
        self.lab.api.delete("pods", pod)
        runtime = Cri(self.lab.containerd.socket)
        try:
            support.wait_for(lambda: not [s for s in runtime.list_sandboxes() if s.metadata.name == pod],
                             f"the containers of {pod} are gone")
            runtime.remove_image(self.slow_image)
        finally:
            runtime.close()

    @staticmethod
    def filled_in(expression, dashboard):
        """The query that Grafana sends when all values are selected."""
        for variable in dashboard["templating"]["list"]:
            expression = expression.replace("$" + variable["name"], variable.get("allValue", ""))
        return expression.replace("$__rate_interval", "20s")

    def variables_have_values(self, dashboard):
        for variable in dashboard["templating"]["list"]:
            if variable["type"] != "query":
                continue
            series, _, label = variable["definition"].removeprefix("label_values(").rstrip(")").rpartition(", ")
            offered = {labels.get(label) for labels, _ in self.prometheus.query(self.filled_in(series, dashboard))}
            self.assertTrue(offered - {None}, f"${variable['name']} has no values")

    def test_3_an_unreachable_registry_inhibits_the_alerts_of_the_namespaces(self):
        registry = {"cluster": "other", "registry": "reg.example", "cause": "network"}
        self.alertmanager.post({"alertname": "ImageRegistryUnreachable", "severity": "critical", **registry})
        (path, _), = self.eventually_received("firing", "ImageRegistryUnreachable")
        self.assertEqual(path, "pager")
        small = {"alertname": "ImagePullNetwork", "severity": "warning", "cluster": "other", "namespace": "bank"}
        self.alertmanager.post({**small, **registry}, {**small, **registry, "registry": "another.example"})
        self.eventually_received("firing", "ImagePullNetwork", registry="another.example")
        self.assertEqual(self.receiver.alerts("firing", "ImagePullNetwork", registry="reg.example"), [])

    def test_4_an_agent_that_is_down_inhibits_no_other_alert(self):
        self.alertmanager.post(
            {"alertname": "ImagePullExporterDown", "severity": "warning", "cluster": "third"},
            {"alertname": "ImagePullExporterSourceDown", "severity": "warning", "cluster": "third", "source": "pods"})
        self.eventually_received("firing", "ImagePullExporterSourceDown", cluster="third")

    def test_5_each_team_gets_the_alerts_of_its_namespaces(self):
        """And an alert of kube-prometheus on the same pods, which does not know why, is inhibited."""
        self.create("typo", self.lab.open.image("lab/pause", "no-such-tag"), namespace="shop")
        self.create("typo", self.lab.open.image("lab/pause", "no-such-tag"), namespace="bank")
        (path, alert), *_ = self.eventually_received("firing", "ImageNotFound", namespace="shop")
        self.assertEqual((path, alert["labels"]["cluster"]), ("team-shop", "lab"))
        (path, _), *_ = self.eventually_received("firing", "ImageNotFound", namespace="bank")
        self.assertEqual(path, "platform")
        not_ready = {"alertname": "KubePodNotReady", "cluster": "lab", "pod": "typo", "severity": "warning"}
        self.alertmanager.post({**not_ready, "namespace": "shop"}, {**not_ready, "namespace": "third"})
        self.eventually_received("firing", "KubePodNotReady", namespace="third")
        self.assertEqual(self.receiver.alerts("firing", "KubePodNotReady", namespace="shop"), [])


if __name__ == "__main__":
    unittest.main()
