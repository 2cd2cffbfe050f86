# SPDX-License-Identifier: Apache-2.0
"""
A current Prometheus that finds the agent with the job of deploy/prometheus/scrape.yaml, as if it ran in a pod of the
cluster: with the token of its account, and the rights that deploy/README.md gives it.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import time

from case import ROOT, wait_for
from deployed import NAME, NEXT_VERSION, Deployed

import control_plane
import tools

sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))

import stack  # noqa: E402
import yaml  # noqa: E402

ANY_RUNTIME = True

ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"  # of a program in a pod
MONITORING, ACCOUNT = "monitoring", "prometheus-k8s"
SCRAPE_INTERVAL, DISCOVERY = 1, 10  # seconds; stack.py makes a second of the minute


class PrometheusDiscovery(Deployed):
    # As in deploy/: the time to be discovered, and one scrape interval.
    patch = {**Deployed.patch, "spec": {"minReadySeconds": DISCOVERY + SCRAPE_INTERVAL}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.give_prometheus_its_account()
        folder = cls.cluster.path("prometheus")
        os.makedirs(folder)
        cls.prometheus = stack.Prometheus(
            folder, stack.discovering_job(), program=tools.path("prometheus"), environment={
                "KUBERNETES_SERVICE_HOST": control_plane.SERVICE_ADDRESS,
                "KUBERNETES_SERVICE_PORT": str(control_plane.API_PORT)})
        cls.addClassCleanup(cls.prometheus.stop)

    @classmethod
    def give_prometheus_its_account(cls):
        cls.api.create("namespaces", {"metadata": {"name": MONITORING}}, namespace=None)
        cls.api.create("serviceaccounts", {"metadata": {"name": ACCOUNT}}, MONITORING)
        cls.run_block_of_the_readme("create role prometheus-k8s")
        os.makedirs(ACCOUNT_FOLDER)
        shutil.copy(cls.cluster.pki.ca_file, os.path.join(ACCOUNT_FOLDER, "ca.crt"))
        with open(os.path.join(ACCOUNT_FOLDER, "token"), "w") as token:
            token.write(cls.cluster.kubectl("--namespace", MONITORING, "create", "token", ACCOUNT).strip())

    @classmethod
    def run_block_of_the_readme(cls, words):
        """Run the commands of deploy/README.md in the block with these words, as administrator."""
        with open(os.path.join(ROOT, "deploy", "README.md")) as source:
            block, = [each for each in re.findall(r"^```sh\n(.*?)^```", source.read(), re.M | re.S) if words in each]
        (program, *_), environment = tools.kubectl_command(cls.cluster.admin_kubeconfig)
        done = subprocess.run(["sh", "-eu"], input=block, capture_output=True, text=True, env={
            **environment, "KUBECONFIG": cls.cluster.admin_kubeconfig,
            "PATH": os.path.dirname(program) + os.pathsep + environment["PATH"]})
        if done.returncode != 0:
            raise AssertionError(f"the commands of the README end with {done.returncode}: {done.stderr}")

    def eventually(self, expression, *values):
        """Wait until the values of the series are these. Returns their labels."""
        def has_them():
            found = self.prometheus.query(expression)
            self.assertEqual([value for _, value in found], list(values), expression)
            return [labels for labels, _ in found]

        return wait_for(has_them, expression)

    def firing(self, names):
        return f'ALERTS{{alertname=~"{names}",alertstate="firing"}}'

    def test_it_finds_the_agent_and_names_its_node(self):
        labels, = self.eventually('up{job="imagepull-exporter"}', 1)
        self.assertEqual(labels, {
            "__name__": "up", "job": "imagepull-exporter", "node": self.cluster.node,
            "instance": self.agent.pod()["status"]["podIP"] + ":9917"})
        self.eventually('imagepull_source_up{source="pods"}', 1)
        refused = [event for event in self.cluster.apiserver.audit() if event["responseStatus"]["code"] == 403
                   and event["user"]["username"] == f"system:serviceaccount:{MONITORING}:{ACCOUNT}"]
        self.assertEqual(refused, [])

    def test_it_loads_every_rule(self):
        wanted = set()
        for path in glob.glob(os.path.join(ROOT, "deploy", "alerts", "*.rules.yaml")):
            with open(path) as source:
                for group in yaml.safe_load(source)["groups"]:
                    wanted |= {(group["name"], rule.get("alert") or rule["record"]) for rule in group["rules"]}

        def evaluated():
            groups = stack.get(self.prometheus.url + "/api/v1/rules")["data"]["groups"]
            self.assertEqual({(group["name"], rule["name"], rule["health"]) for group in groups
                              for rule in group["rules"]}, {(*each, "ok") for each in wanted})

        wait_for(evaluated, "every rule was evaluated")
        self.assertEqual(self.prometheus.rule_problems(), [])

    def test_the_first_alert_of_the_readme_fires_through_an_update_and_resolves(self):
        self.run_block_of_the_readme("kubectl create namespace pull-test")
        alert = self.firing("ImagePullNetwork")
        labels, = self.eventually(alert, 1)
        self.assertEqual(labels["namespace"], "pull-test")
        words, = [each["annotations"]["description"]
                  for each in stack.get(self.prometheus.url + "/api/v1/alerts")["data"]["alerts"]]
        self.assertIn("typo on " + self.cluster.node, words)

        began = int(time.time()) + 1
        self.deploy(version=NEXT_VERSION)
        new = self.agent.pod()["status"]["podIP"] + ":9917"
        self.eventually(f'up{{job="imagepull-exporter",instance="{new}"}}', 1)
        wait_for(lambda: not self.prometheus.query(f'up{{job="imagepull-exporter",instance!="{new}"}}'),
                 "the old agent is no target any more")
        ended = int(time.time())
        every_second = set(range(began, ended))
        for expression in ('imagepull_container_blocked_info{pod="typo"}', "container:imagepull_blocked:age_seconds",
                           alert):
            self.assertEqual(every_second - self.prometheus.times(expression, began, ended), set(), expression)

        self.run_block_of_the_readme("kubectl delete namespace pull-test")
        self.eventually(alert)
        self.assertEqual(self.prometheus.query(self.firing("ImagePullExporter.*|ContainerRuntime.*")), [])
        self.assertEqual(self.prometheus.times(self.firing("ImagePullExporter.*|ContainerRuntime.*"), began,
                                               int(time.time())), set())
