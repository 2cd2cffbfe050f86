# SPDX-License-Identifier: Apache-2.0
"""The Helm chart on a real API server: each example is accepted, and a release is installed, upgraded and removed."""

import glob
import os
import ssl
import subprocess
import urllib.request

from case import HERE, ROOT, wait_for
from deployed import NAME, NEXT_VERSION, VERSION, BuiltImage, OnTheNode, WithManifests
from test_manifests import OTHERS, definition

import certs
import tools
from control_plane import AGENT_ADDRESS, API_PORT, NODE_ADDRESS
from procs import clean_environment

ANY_RUNTIME = True

CHART = os.path.join(ROOT, "deploy", "charts", "imagepull-exporter")
NAMESPACES = (NAME, "monitoring", "other")


class Chart(WithManifests):
    cluster_options = {"api_arguments": [
        "--admission-control-config-file=" + os.path.join(HERE, "critical-pods-need-a-quota.yaml")]}

    @classmethod
    def start_agent_of_class(cls):
        for kind in OTHERS:
            cls.api.create("apiextensions.k8s.io/v1/customresourcedefinitions", definition(*kind), namespace=None)
        for namespace in NAMESPACES:
            cls.api.create("namespaces", {"metadata": {"name": namespace}}, namespace=None)
        for version in (VERSION, NEXT_VERSION):
            cls.cluster.open.push(BuiltImage(version), "platform/" + NAME, version)

    def helm(self, *arguments):
        """Returns the output."""
        home = self.cluster.path("helm")
        done = subprocess.run([tools.path("helm"), *arguments], capture_output=True, text=True, env=clean_environment(
            KUBECONFIG=self.cluster.admin_kubeconfig, HELM_CACHE_HOME=home, HELM_CONFIG_HOME=home, HELM_DATA_HOME=home))
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_the_api_server_accepts_every_example_without_a_warning(self):
        examples = glob.glob(os.path.join(CHART, "ci", "*.yaml"))
        self.assertGreater(len(examples), 10)
        for path in examples:
            with self.subTest(os.path.basename(path)):
                self.apply("--dry-run=server", "-f", "-",
                           stdin=self.helm("template", NAME, CHART, "--namespace", NAME, "-f", path))

    def test_a_release_is_installed_upgraded_and_removed(self):
        agent = OnTheNode(self.api, self.cluster.kubelet.folder)
        release = [NAME, CHART, "--namespace", NAME, "--set", "resourceQuota.enabled=true", "--set", "minReadySeconds=1",
                   "--set", f"image.registry={self.cluster.open.host}/platform"]
        self.helm("install", *release)
        self.rollout(agent)
        self.assertIn("cri up", self.kubectl("--namespace", NAME, "exec", "daemonset/" + NAME, "--", "/usr/bin/" + NAME,
                                             "status")[1])
        self.assertEqual(agent.metrics().value("imagepull_source_up", source="cri"), 1)

        self.helm("upgrade", *release, "--set", "image.tag=" + NEXT_VERSION, "--set", "runtime.type=none")
        self.rollout(agent)
        self.assertTrue(agent.pod()["spec"]["containers"][0]["image"].endswith(":" + NEXT_VERSION))
        self.assertEqual(agent.metrics().find("imagepull_source_up", source="cri"), [])

        self.helm("uninstall", NAME, "--namespace", NAME)
        wait_for(lambda: agent.pods() == [], "its pods are gone")
        left = [each["metadata"]["name"] for kind in ("rbac.authorization.k8s.io/v1/clusterroles",
                                                      "rbac.authorization.k8s.io/v1/clusterrolebindings")
                for each in self.api.list(kind) if NAME in each["metadata"]["name"]]
        self.assertEqual(left, [])

    def test_tls_and_the_port_of_the_node(self):
        """The probes use https, and the agent is on the network of the node."""
        folder = self.cluster.path("web")
        os.makedirs(folder)
        ca = certs.make_ca(folder, "ca")
        certificate, key = certs.make_server_certificate(folder, "tls", ca, [f"IP:{NODE_ADDRESS}"])
        config = os.path.join(folder, "web-config.yml")
        with open(config, "w") as out:
            out.write("tls_server_config: {cert_file: tls.crt, key_file: tls.key}\n")
        status, _, errors = self.kubectl("--namespace", "other", "create", "secret", "generic", "web",
                                         "--from-file=" + config, "--from-file=tls.crt=" + certificate,
                                         "--from-file=tls.key=" + key)
        self.assertEqual(status, 0, errors)
        self.helm("install", "tls", CHART, "--namespace", "other", "--set", "resourceQuota.enabled=true",
                  "--set", f"image.registry={self.cluster.open.host}/platform", "--set", "port=19917",
                  "--set", "webConfig.existingSecret=web,webConfig.tls=true", "--set", "hostNetwork.enabled=true",
                  "--set", f"apiServer.host={AGENT_ADDRESS}", "--set", f"apiServer.port={API_PORT}")
        self.addCleanup(self.helm, "uninstall", "tls", "--namespace", "other")
        status, output, errors = self.kubectl("--namespace", "other", "rollout", "status",
                                              "daemonset/tls-imagepull-exporter", "--timeout=600s")
        self.assertEqual(status, 0, output + errors)
        url = f"https://{NODE_ADDRESS}:19917/metrics"
        with urllib.request.urlopen(url, context=ssl.create_default_context(cafile=ca[0]), timeout=60) as answer:
            self.assertIn(b'imagepull_source_up{source="pods"} 1', answer.read())

    def rollout(self, agent):
        status, output, errors = self.kubectl("--namespace", NAME, "rollout", "status", "daemonset/" + NAME,
                                              "--timeout=600s")
        self.assertEqual(status, 0, output + errors)
        wait_for(lambda: len(agent.pods()) == 1, "there is one pod of the agent")
