# SPDX-License-Identifier: Apache-2.0
"""
Everything in deploy/kustomize and deploy/rbac on a real API server: it is accepted, the schemas of the server agree,
Pod Security and quotas say what the documents say, and the overlays that this node can run do run.
"""

import glob
import json
import os
import re
import subprocess
import unittest

from case import HERE, ROOT, wait_for
from deployed import KUSTOMIZE, NAME, Deployed, permissions

import node
import openapi
import tools
from procs import run

ANY_RUNTIME = True

OVERLAYS = sorted(os.listdir(os.path.join(KUSTOMIZE, "overlays")))
RBAC = sorted(glob.glob(os.path.join(ROOT, "deploy", "rbac", "*api*.yaml")) +
              glob.glob(os.path.join(ROOT, "deploy", "rbac", "kubelet.yaml")))
# The definitions of these kinds are our own, and take any field: those of their projects cannot be had offline.
# tests/deploy/schema.py checks the fields.
OTHERS = (("monitoring.coreos.com", "podmonitors", "PodMonitor", "Namespaced"),
          ("monitoring.coreos.com", "servicemonitors", "ServiceMonitor", "Namespaced"),
          ("monitoring.coreos.com", "prometheusrules", "PrometheusRule", "Namespaced"),
          ("security.openshift.io", "securitycontextconstraints", "SecurityContextConstraints", "Cluster"))


def definition(group, plural, kind, scope):
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}"},
            "spec": {"group": group, "scope": scope, "names": {
                "plural": plural, "singular": kind.lower(), "kind": kind, "listKind": kind + "List"},
                "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}}


def quota_of_the_readme():
    with open(os.path.join(ROOT, "deploy", "README.md")) as source:
        found, = [block for block in re.findall(r"```yaml\n(.*?)```", source.read(), re.S) if "ResourceQuota" in block]
    return found


class Manifests(Deployed):
    cluster_options = {"api_arguments": [
        "--admission-control-config-file=" + os.path.join(HERE, "critical-pods-need-a-quota.yaml")]}

    @classmethod
    def prepare(cls):
        for kind in OTHERS:
            cls.api.create("apiextensions.k8s.io/v1/customresourcedefinitions", definition(*kind), namespace=None)
        cls.api.create("namespaces", {"metadata": {"name": NAME}}, namespace=None)
        cls.apply("-f", "-", stdin=quota_of_the_readme())
        # kubectl apply warns about a namespace that it did not create.
        cls.kubectl("annotate", "namespace", NAME, "kubectl.kubernetes.io/last-applied-configuration=")

    # --- what is accepted ---

    def test_the_api_server_accepts_every_overlay_without_a_warning(self):
        for overlay in OVERLAYS:
            if overlay == "no-runtime":
                continue  # It changes the level of the namespace, so another test applies it where no agent runs.
            with self.subTest(overlay):
                self.apply("--dry-run=server", "-k", os.path.join(KUSTOMIZE, "overlays", overlay))

    def test_the_api_server_accepts_several_components_at_once(self):
        self.apply("--dry-run=server", "-k", self.overlay("cri-o", "no-events", "prometheus-operator"))
        self.apply("--dry-run=server", "-k", self.overlay("k3s", "kubelet-source", "prometheus-operator"))

    def test_the_api_server_accepts_every_file_of_rbac(self):
        self.assertEqual([os.path.basename(path) for path in RBAC],
                         ["api-no-events.yaml", "api.yaml", "kubelet.yaml"])
        for path in RBAC:
            with self.subTest(path):
                self.apply("--dry-run=server", "-f", path)

    def test_the_api_server_refuses_a_field_that_does_not_exist(self):
        """So the tests above mean something."""
        wrong = self.rendered("overlays", "containerd").replace("terminationGracePeriodSeconds", "gracePeriod")
        status, _, errors = self.kubectl("apply", "--dry-run=server", "-f", "-", stdin=wrong)
        self.assertNotEqual(status, 0)
        self.assertIn('unknown field "spec.template.spec.gracePeriod"', errors)

    def rendered(self, *folder):
        return tools.kubectl(self.cluster.admin_kubeconfig, "kustomize", os.path.join(KUSTOMIZE, *folder))

    def test_kubeconform_agrees_with_the_schemas_of_the_server(self):
        schemas = openapi.write_schemas(self.api.call("GET", "/openapi/v2"), self.cluster.path("schemas"))

        def conform(text):
            done = subprocess.run([tools.path("kubeconform"), "-strict", "-schema-location", schemas, "-"],
                                  input=text, capture_output=True, text=True)
            return done.returncode, done.stdout + done.stderr

        for overlay in OVERLAYS:
            with self.subTest(overlay):
                self.assertEqual(conform(self.rendered("overlays", overlay)), (0, ""))
        for path in RBAC:
            with self.subTest(path), open(path) as source:
                self.assertEqual(conform(source.read()), (0, ""))
        wrong = self.rendered("overlays", "containerd").replace("terminationGracePeriodSeconds", "gracePeriod")
        status, output = conform(wrong)
        self.assertEqual(status, 1)
        self.assertIn("'gracePeriod'", output)

    # --- who lets the pod in ---

    def pod_of_the_daemonset(self, namespace):
        """A pod as the DaemonSet makes it, in another namespace."""
        daemonset = self.api.get("apps/v1/daemonsets", NAME, NAME)
        spec = {**daemonset["spec"]["template"]["spec"], "serviceAccountName": "default", "serviceAccount": "default"}
        return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "agent", "namespace": namespace},
                           "spec": spec})

    def refusal(self, **labels):
        """What the API server says about the pod in a namespace with these labels of Pod Security, without a quota."""
        namespace = self.namespace("level")
        self.api.patch("namespaces", namespace, {"metadata": {"labels": {
            "pod-security.kubernetes.io/" + name: level for name, level in labels.items()}}}, namespace=None)
        status, _, errors = self.kubectl("apply", "--dry-run=server", "-f", "-",
                                         stdin=self.pod_of_the_daemonset(namespace))
        self.assertNotEqual(status, 0)
        return errors

    def test_pod_security_lets_it_in_at_the_level_of_its_namespace_alone(self):
        labels = self.api.get("namespaces", NAME, namespace=None)["metadata"]["labels"]
        self.assertEqual({name: level for name, level in labels.items() if "pod-security" in name},
                         {"pod-security.kubernetes.io/enforce": "privileged",
                          "pod-security.kubernetes.io/warn": "privileged"})
        self.assertIn('violates PodSecurity "baseline:latest": hostPath volumes (volume "runtime")',
                      self.refusal(enforce="baseline"))

    def test_pod_security_finds_only_what_the_namespace_names(self):
        """ "Apart from hostPath, the pod meets the restricted level." """
        found = re.search(r'violates PodSecurity "restricted:latest": (.*)', self.refusal(enforce="restricted"))[1]
        self.assertEqual(re.findall(r'(?:^|\), )([a-zA-Z !=0]+) \(', found),
                         ["restricted volume types"])

    def test_a_cluster_that_wants_a_quota_for_critical_pods_takes_that_of_the_readme(self):
        self.assertIn("insufficient quota to match these scopes: [{PriorityClass In [system-node-critical",
                      self.refusal(enforce="privileged"))
        # With the quota the rollout was complete.
        self.assertTrue(self.api.get("resourcequotas", "critical-pods", NAME)["status"]["used"])

    # --- what runs ---

    def test_runs_without_events(self):
        self.deploy("no-events")
        namespace = self.namespace()
        self.create_pod(namespace, "typo", self.bad())
        self.eventually_shown(namespace, "typo", cause="not_found")
        self.assertIn("Sources: pods up, events off, cri up", self.command("status")[1])
        self.assertLessEqual(permissions(self.requests(self.agent.pod())), {("list", "pods"), ("watch", "pods")})

    def test_runs_with_the_kubelet_as_source(self):
        self.deploy("kubelet-source")
        namespace = self.namespace()
        self.create_pod(namespace, "typo", self.bad())
        self.eventually_shown(namespace, "typo", cause="not_found")
        self.assertIn("Sources: pods up, events off, cri up", self.command("status")[1])
        self.assertEqual(self.requests(self.agent.pod()), [])

    def test_runs_without_the_runtime_at_the_level_restricted(self):
        self.kubectl("--namespace", NAME, "delete", "daemonset", NAME)
        wait_for(lambda: self.agent.pods() == [], "its pods are gone")
        self.addCleanup(self.deploy)
        self.deploy("no-runtime")
        labels = self.api.get("namespaces", NAME, namespace=None)["metadata"]["labels"]
        self.assertEqual(labels["pod-security.kubernetes.io/enforce"], "restricted")
        namespace = self.namespace()
        self.create_pod(namespace, "typo", self.bad())
        self.eventually_shown(namespace, "typo", cause="not_found")
        self.assertIn("Sources: pods up, events up, cri off", self.command("status")[1])

    def test_runs_with_the_socket_where_k3s_has_it(self):
        folder = "/run/k3s/containerd"
        os.makedirs(folder)
        run(["mount", "--bind", os.path.dirname(node.RUNTIME_SOCKET), folder], "mounting the runtime's folder")
        self.deploy("k3s")
        self.assertIn("Sources: pods up, events up, cri up", self.command("status")[1])

    def test_runs_on_a_node_that_has_no_pod_network_yet(self):
        """With the component host-network. It then tells which images of the pod network itself cannot be pulled."""
        self.kubectl("--namespace", NAME, "delete", "daemonset", NAME)
        wait_for(lambda: self.agent.pods() == [], "its pods are gone")
        configuration = os.path.join(self.cluster.containerd.root, "cni", "10-pods.conflist")
        self.addCleanup(self.deploy)
        self.addCleanup(os.rename, configuration + ".away", configuration)
        os.rename(configuration, configuration + ".away")
        wait_for(lambda: not self.cluster.node_is_ready(), "the node is not ready")
        self.deploy("host-network")
        self.assertEqual(self.agent.pod()["status"]["podIP"], self.agent.pod()["status"]["hostIP"])
        self.assertEqual(self.events("NetworkNotReady", self.agent.pod()), [])
        namespace = self.namespace()
        self.create_pod(namespace, "network", self.bad(), nodeName=self.cluster.node, hostNetwork=True)
        self.eventually_shown(namespace, "network", cause="not_found")
        self.assertGreater(self.agent.metrics().value("imagepull_failures_total"), 0)

    def test_an_overlay_for_another_runtime_says_so_and_the_old_agent_stays(self):
        self.deploy()
        old = self.agent.pod()
        self.apply("-k", self.overlay("cri-o", patch=self.patch))

        def new():
            pod, = (pod for pod in self.agent.pods() if pod["metadata"]["uid"] != old["metadata"]["uid"])
            return pod

        wait_for(lambda: len(self.agent.pods()) == 2, "a second pod")
        wait_for(lambda: "hostPath type check failed: /run/crio is not a directory" in
                 " ".join(self.events("FailedMount", new())), "what deploy/runbooks/exporter.md says")
        waiting = new()["status"]["containerStatuses"][0]["state"]["waiting"]["reason"]
        self.assertEqual(waiting, "ContainerCreating")
        self.assertEqual(self.agent.metrics(old).value("imagepull_source_up", source="cri"), 1)
        self.deploy()
