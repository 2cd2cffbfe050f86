# SPDX-License-Identifier: Apache-2.0
"""Every overlay of deploy/kustomize, rendered by kubectl: its schema, and the settings that must stay."""

import copy
import glob
import itertools
import os
import re
import subprocess
import tempfile
import unittest

import yaml

import kubectl
import schema

DEPLOY = os.path.join(kubectl.ROOT, "deploy")
KUSTOMIZE = os.path.join(DEPLOY, "kustomize")
OVERLAYS = ("containerd", "cri-o", "k3s", "kubelet-source", "no-events", "prometheus-operator", "service-monitor",
            "openshift", "user-workload-monitoring", "run-as-root", "host-network", "selinux", "no-runtime")
SOCKETS = {"cri-o": "/run/crio/crio.sock", "openshift": "/run/crio/crio.sock",
           "user-workload-monitoring": "/run/crio/crio.sock",
           "k3s": "/run/k3s/containerd/containerd.sock", "selinux": "/run/k3s/containerd/containerd.sock"}
WITH_RUNTIME = [name for name in OVERLAYS if name != "no-runtime"]
SPC_T = {"openshift", "user-workload-monitoring", "selinux"}


def load(*path):
    with open(os.path.join(DEPLOY, *path)) as source:
        return [each for each in yaml.safe_load_all(source) if each]


class Rendered(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        program = kubectl.path()
        cls.overlays = {}
        for name in OVERLAYS:
            done = subprocess.run([program, "kustomize", os.path.join(KUSTOMIZE, "overlays", name)],
                                  capture_output=True, text=True)
            if done.returncode != 0 or done.stderr:
                raise AssertionError(f"kubectl kustomize of overlay {name}: {done.stderr}")
            cls.overlays[name] = list(yaml.safe_load_all(done.stdout))

    def one(self, overlay, kind):
        found = [each for each in self.overlays[overlay] if each["kind"] == kind]
        self.assertEqual(len(found), 1, f"{kind} in {overlay}")
        return found[0]

    def pod(self, overlay):
        return self.one(overlay, "DaemonSet")["spec"]["template"]["spec"]

    def container(self, overlay):
        return self.pod(overlay)["containers"][0]

    def test_every_overlay_and_component_is_tested(self):
        self.assertEqual(sorted(os.listdir(os.path.join(KUSTOMIZE, "overlays"))), sorted(OVERLAYS))
        used = {os.path.basename(component) for name in OVERLAYS
                for component in load("kustomize", "overlays", name, "kustomization.yaml")[0].get("components", [])}
        self.assertEqual(sorted(os.listdir(os.path.join(KUSTOMIZE, "components"))), sorted(used))

    def test_every_object_matches_the_schema_of_its_kind(self):
        for name, objects in self.overlays.items():
            for each in objects:
                with self.subTest(overlay=name, kind=each["kind"]):
                    schema.check(each)

    def test_image_tag_and_label_are_the_version(self):
        with open(os.path.join(kubectl.ROOT, "VERSION")) as source:
            version = source.read().strip()
        self.assertEqual(self.container("containerd")["image"], "imagepull-exporter:" + version)
        with open(os.path.join(kubectl.ROOT, "Dockerfile")) as source:
            self.assertIn(f'org.opencontainers.image.version="{version}"', source.read())
        labels = self.one("containerd", "DaemonSet")["spec"]["template"]["metadata"]["labels"]
        self.assertEqual(labels["app.kubernetes.io/version"], version)

    def test_the_pod_has_the_recommended_labels_and_its_default_container(self):
        for name in OVERLAYS:
            metadata = self.one(name, "DaemonSet")["spec"]["template"]["metadata"]
            self.assertEqual({key.partition("/")[2] for key in metadata["labels"]},
                             {"name", "component", "part-of", "version"})
            self.assertEqual(metadata["annotations"]["kubectl.kubernetes.io/default-container"],
                             self.container(name)["name"])

    def test_object_names_are_unique_and_selectors_match(self):
        for name, objects in self.overlays.items():
            names = [(each["kind"], each["metadata"]["name"]) for each in objects]
            self.assertEqual(len(set(names)), len(names), name)
            labels = self.one(name, "DaemonSet")["spec"]["template"]["metadata"]["labels"].items()
            for kind, path in (("DaemonSet", ("selector", "matchLabels")), ("Service", ("selector",)),
                               ("NetworkPolicy", ("podSelector", "matchLabels"))):
                if (name, kind) == ("host-network", "NetworkPolicy"):
                    continue  # a test below
                selector = self.one(name, kind)["spec"]
                for step in path:
                    selector = selector[step]
                self.assertLessEqual(selector.items(), labels)

    def test_the_agent_has_only_the_rights_it_needs(self):
        for name in OVERLAYS:
            pod, container = self.pod(name), self.container(name)
            self.assertEqual(container["securityContext"], {
                "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}})
            self.assertEqual(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
            user = {"runAsUser": 0, "runAsGroup": 0} if name == "run-as-root" else \
                {"runAsUser": 65532, "runAsGroup": 0 if name in WITH_RUNTIME else 65532, "runAsNonRoot": True}
            self.assertEqual({key: value for key, value in pod["securityContext"].items() if key.startswith("runAs")},
                             user)
            self.assertEqual({"hostNetwork", "hostPID", "hostIPC"} & pod.keys(),
                             {"hostNetwork"} if name == "host-network" else set())
            self.assertEqual(pod["securityContext"].get("seLinuxOptions"), {"type": "spc_t"} if name in SPC_T else None)
            self.assertEqual(len(pod["containers"]), 1)
            for each in self.overlays[name]:
                if each["kind"] == "ClusterRole":
                    self.assertNotIn("secrets", str(each["rules"]))

    def test_the_user_of_openshift_is_that_of_the_pod(self):
        constraints = self.one("openshift", "SecurityContextConstraints")
        self.assertEqual(constraints["runAsUser"],
                         {"type": "MustRunAs", "uid": self.pod("openshift")["securityContext"]["runAsUser"]})
        self.assertEqual(set(constraints["volumes"]), {"hostPath", "emptyDir", "projected"})

    def test_it_runs_on_every_node_that_pulls_images(self):
        for name in OVERLAYS:
            pod = self.pod(name)
            self.assertEqual(pod["tolerations"], [{"operator": "Exists"}])
            self.assertEqual(pod["nodeSelector"], {"kubernetes.io/os": "linux"})
            self.assertEqual(pod["priorityClassName"], "system-node-critical")

    def test_the_limit_of_memory_is_the_one_that_the_program_is_built_for(self):
        with open(os.path.join(kubectl.ROOT, "include", "limit.h")) as source:
            limit = re.search(r"#define MEMORY_LIMIT \((\d+)u << 20\)", source.read())[1]
        for name in OVERLAYS:
            self.assertEqual(self.container(name)["resources"]["limits"], {"memory": limit + "Mi"})

    def test_an_update_leaves_no_node_without_an_agent(self):
        for name in OVERLAYS:
            if name != "host-network":
                self.assertEqual(self.one(name, "DaemonSet")["spec"]["updateStrategy"]["rollingUpdate"],
                                 {"maxSurge": "10%", "maxUnavailable": 0})

    def test_on_the_network_of_the_node(self):
        pod, spec = self.pod("host-network"), self.one("host-network", "DaemonSet")["spec"]
        self.assertEqual((pod["hostNetwork"], pod["dnsPolicy"]), (True, "Default"))
        # Two agents of a node cannot have the same port.
        self.assertEqual(spec["updateStrategy"]["rollingUpdate"], {"maxSurge": 0, "maxUnavailable": "10%"})
        # It would have no effect.
        self.assertNotIn("NetworkPolicy", {each["kind"] for each in self.overlays["host-network"]})

    def test_without_the_runtime_it_needs_nothing_of_the_node(self):
        self.assertEqual(self.container("no-runtime")["args"], ["--cri.endpoint=off"])
        self.assertEqual([volume["name"] for volume in self.pod("no-runtime")["volumes"]], ["imagepull-debug"])
        labels = self.one("no-runtime", "Namespace")["metadata"]["labels"]
        self.assertEqual({level for name, level in labels.items() if "pod-security" in name}, {"restricted"})
        for name in WITH_RUNTIME:
            labels = self.one(name, "Namespace")["metadata"]["labels"]
            self.assertEqual({level for key, level in labels.items() if "pod-security" in key}, {"privileged"})

    def test_the_directory_of_the_socket_is_mounted_read_only(self):
        for name in WITH_RUNTIME:
            socket = SOCKETS.get(name, "/run/containerd/containerd.sock")
            container = self.container(name)
            self.assertIn("--cri.endpoint=unix://" + socket, container["args"])
            mount, = (m for m in container["volumeMounts"] if m["name"] == "runtime")
            volume, = (v for v in self.pod(name)["volumes"] if v["name"] == "runtime")
            self.assertEqual((mount["mountPath"], mount["readOnly"]), (os.path.dirname(socket), True))
            self.assertEqual(volume["hostPath"], {"path": os.path.dirname(socket), "type": "Directory"})

    def test_debug_answers_are_not_on_the_network(self):
        for name in OVERLAYS:
            container = self.container(name)
            environment = {each["name"]: each for each in container["env"]}
            # A port of 127.0.0.1 belongs to the pod, but with the network of the node to every process of the node.
            in_the_pod = "" if self.pod(name).get("hostNetwork") else "127.0.0.1:9918,"
            self.assertEqual(environment["IMAGEPULL_DEBUG_LISTEN_ADDRESS"]["value"],
                             in_the_pod + "unix:/run/imagepull-exporter/debug.sock")
            mount, = (m for m in container["volumeMounts"] if m["name"] == "imagepull-debug")
            volume, = (v for v in self.pod(name)["volumes"] if v["name"] == "imagepull-debug")
            self.assertEqual(mount["mountPath"], "/run/imagepull-exporter")
            # Its own user can write to it, and to nothing of the node.
            self.assertEqual(volume["emptyDir"], {"sizeLimit": "1Mi"})
            self.assertEqual(environment["NODE_NAME"]["valueFrom"]["fieldRef"]["fieldPath"], "spec.nodeName")
            self.assertEqual([port["containerPort"] for port in container["ports"]], [9917])

    def host_ip(self, overlay):
        return [each["valueFrom"]["fieldRef"]["fieldPath"] for each in self.container(overlay)["env"]
                if each["name"] == "HOST_IP"]

    def test_the_kubelet_source_knows_the_address_of_its_node(self):
        self.assertEqual(self.host_ip("kubelet-source"), ["status.hostIP"])

    def test_the_agent_starts_on_a_node_that_has_no_address_yet(self):
        """If the container asked for the address of the node, the kubelet would answer CreateContainerConfigError."""
        for name in OVERLAYS:
            if name != "kubelet-source":
                self.assertEqual(self.host_ip(name), [])

    def test_permissions_are_those_of_deploy_rbac(self):
        for name in OVERLAYS:
            file = {"kubelet-source": "kubelet.yaml", "no-events": "api-no-events.yaml"}.get(name, "api.yaml")
            wanted, = (each for each in load("rbac", file) if each["kind"] == "ClusterRole")
            self.assertEqual(self.one(name, "ClusterRole")["rules"], wanted["rules"], name)

    def test_flags_match_the_permissions(self):
        flags = {name: self.container(name)["args"][1:] for name in OVERLAYS}
        self.assertEqual({name: each for name, each in flags.items() if each},
                         {"kubelet-source": ["--kube.source=kubelet"], "no-events": ["--kube.events=off"]})
        egress = self.one("kubelet-source", "NetworkPolicy")["spec"]["egress"]
        self.assertEqual([port["port"] for port in egress[0]["ports"]], [10250])

    def test_the_rules_for_the_operator_are_the_same_rules(self):
        rendered = {each["metadata"]["name"]: each["spec"] for each in self.overlays["prometheus-operator"]
                    if each["kind"] == "PrometheusRule"}
        wanted = {"imagepull-" + os.path.basename(path).removesuffix(".rules.yaml"): load("alerts", path)[0]
                  for path in glob.glob(os.path.join(DEPLOY, "alerts", "*.rules.yaml"))}
        self.assertEqual(rendered, wanted)

    def test_the_monitors_set_the_labels_that_alerts_need(self):
        for overlay, kind, endpoints, honor in (("prometheus-operator", "PodMonitor", "podMetricsEndpoints", True),
                                                ("service-monitor", "ServiceMonitor", "endpoints", True),
                                                ("user-workload-monitoring", "PodMonitor", "podMetricsEndpoints", None)):
            with self.subTest(overlay):
                monitor = self.one(overlay, kind)["spec"]
                labels = self.one(overlay, "DaemonSet")["spec"]["template"]["metadata"]["labels"]
                self.assertEqual(labels[monitor["jobLabel"]], "imagepull-exporter")
                endpoint, = monitor[endpoints]
                self.assertIs(endpoint.get("honorLabels"), honor)
                node = [r["targetLabel"] for r in endpoint["relabelings"]
                        if r.get("sourceLabels") == ["__meta_kubernetes_pod_node_name"]]
                self.assertEqual(node, ["node", "instance"])

    def test_two_agents_of_a_node_are_not_scraped_side_by_side(self):
        """Their series are the same, so the counters of the new one would look like restarts of the old one."""
        for overlay in ("prometheus-operator", "service-monitor", "user-workload-monitoring"):
            self.assertEqual(self.one(overlay, "DaemonSet")["spec"]["minReadySeconds"], 0)
            monitor, = (each for each in self.overlays[overlay] if each["kind"] in ("PodMonitor", "ServiceMonitor"))
            endpoint, = monitor["spec"].get("podMetricsEndpoints") or monitor["spec"]["endpoints"]
            self.assertIn({"sourceLabels": ["__meta_kubernetes_pod_ready"], "action": "keep", "regex": "true"},
                          endpoint["relabelings"])

    def test_the_selectors_of_kube_prometheus_stack_find_monitors_and_rules(self):
        for overlay in ("prometheus-operator", "service-monitor"):
            found = [each["metadata"]["labels"].get("release") for each in self.overlays[overlay]
                     if each["apiVersion"].startswith("monitoring.coreos.com/")]
            self.assertEqual(found, ["kube-prometheus-stack"] * 4)


class Combinations(unittest.TestCase):
    """kustomize refuses components that cannot work together."""

    @staticmethod
    def build(*components):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "kustomization.yaml"), "w") as out:
                yaml.safe_dump({
                    "resources": [os.path.relpath(os.path.join(KUSTOMIZE, "base"), folder)],
                    "components": [os.path.relpath(os.path.join(KUSTOMIZE, "components", name), folder)
                                   for name in components]}, out)
            return subprocess.run([kubectl.path(), "kustomize", folder], capture_output=True, text=True)

    def assert_refused(self, *components):
        self.assertNotEqual(self.build(*components).returncode, 0, f"{' with '.join(components)} is accepted")

    def test_kubelet_source_with_no_events(self):
        self.assert_refused("kubelet-source", "no-events")

    def test_no_events_with_kubelet_source(self):
        self.assert_refused("no-events", "kubelet-source")

    def test_two_runtimes(self):
        for first, second in itertools.permutations(("cri-o", "k3s", "no-runtime"), 2):
            with self.subTest(first=first, second=second):
                self.assert_refused(first, second)

    def test_openshift_without_its_runtime(self):
        self.assert_refused("openshift")
        self.assert_refused("k3s", "openshift")
        self.assert_refused("openshift", "cri-o")

    def test_what_is_for_the_socket_without_a_socket(self):
        for name in ("run-as-root", "selinux"):
            self.assert_refused("no-runtime", name)
            self.assert_refused(name, "no-runtime")

    def test_the_network_of_the_node_at_the_level_restricted(self):
        self.assert_refused("no-runtime", "host-network")
        self.assert_refused("host-network", "no-runtime")

    def test_on_openshift_other_components_change_its_constraints(self):
        for name, field, value in (("host-network", "allowHostNetwork", True), ("host-network", "allowHostPorts", True),
                                   ("run-as-root", "runAsUser", {"type": "MustRunAs", "uid": 0})):
            self.assert_refused("cri-o", name, "openshift")
            constraints, = (each for each in yaml.safe_load_all(self.build("cri-o", "openshift", name).stdout)
                            if each["kind"] == "SecurityContextConstraints")
            self.assertEqual(constraints[field], value)

    def test_service_monitor_alone(self):
        self.assert_refused("service-monitor")

    def test_selinux_twice(self):
        self.assert_refused("cri-o", "openshift", "selinux")

    def test_monitors_for_two_kinds_of_prometheus(self):
        self.assert_refused("prometheus-operator", "cri-o", "openshift", "user-workload-monitoring")

    def test_what_can_work_is_accepted(self):
        """So the tests above mean something."""
        for components in (("cri-o", "openshift", "kubelet-source"), ("host-network", "kubelet-source", "selinux"),
                           ("kubelet-source", "host-network", "prometheus-operator"), ("no-runtime", "no-events"),
                           ("k3s", "selinux", "run-as-root", "prometheus-operator", "service-monitor")):
            with self.subTest(components=components):
                done = self.build(*components)
                self.assertEqual(done.returncode, 0, done.stderr)


class Schema(unittest.TestCase):
    """The schema check finds common mistakes."""

    def setUp(self):
        self.daemonset, = load("kustomize", "base", "daemonset.yaml")

    def assert_wrong(self, change, words):
        document = copy.deepcopy(self.daemonset)
        change(document)
        with self.assertRaisesRegex(schema.Wrong, words):
            schema.check(document)

    def test_the_daemonset_is_valid(self):
        schema.check(self.daemonset)

    def test_mistakes_are_found(self):
        def container(document):
            return document["spec"]["template"]["spec"]["containers"][0]

        for change, words in (
                (lambda d: d["spec"].update(replicas=1), "unknown field 'replicas'"),
                (lambda d: container(d).pop("image"), "'image' is missing"),
                (lambda d: container(d)["securityContext"].update(readOnlyRootFileSystem=True), "FileSystem"),
                (lambda d: container(d)["args"].append(True), r"args\[1\]: True is not a text"),
                (lambda d: container(d)["resources"]["limits"].update(memory="48 MB"), "is not a quantity"),
                (lambda d: container(d)["ports"][0].update(containerPort="9917"), "is not a number"),
                (lambda d: d["metadata"].update(name="Agent"), "is not a DNS label"),
                (lambda d: d.update(apiVersion="extensions/v1beta1"), "is not one of apps/v1"),
                (lambda d: d.update(kind="Daemonset"), "unknown kind")):
            with self.subTest(words):
                self.assert_wrong(change, words)


if __name__ == "__main__":
    unittest.main()
