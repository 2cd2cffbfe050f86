# SPDX-License-Identifier: Apache-2.0
"""
The Helm chart: rendered with the example values of its folder ci, compared with golden files, checked against schemas, and
compared with the overlays of kustomize. UPDATE_GOLDEN=1 writes the golden files anew.
"""

import copy
import glob
import json
import os
import re
import subprocess
import tempfile
import unittest

import yaml

import helm
import kubectl
import schema
import tools

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")
DEPLOY = os.path.join(kubectl.ROOT, "deploy")
# Example values, and the components of kustomize that say the same. `images` of an overlay is not compared.
SAME = {"containerd": [], "crio": ["cri-o"], "k3s": ["k3s"], "kubelet": ["kubelet-source"], "no-events": ["no-events"],
        "autopilot": ["no-runtime"], "operator": ["prometheus-operator"], "rke2": ["k3s", "selinux"],
        "openshift": ["cri-o", "openshift", "user-workload-monitoring"], "host-network": ["host-network"]}


def read(*path):
    with open(os.path.join(DEPLOY, *path)) as source:
        return source.read()


def rules_of(objects):
    """{name of the file in deploy/alerts: its groups}"""
    return {each["metadata"]["name"].rpartition("-")[2]: each["spec"]["groups"] for each in objects
            if each["kind"] == "PrometheusRule"}


def mixin(settings):
    """The same of the mixin with these settings."""
    done = subprocess.run(["jsonnet", "-e", '((import "mixin.libsonnet") + {_config+:: %s}).ruleGroups' % settings],
                          cwd=os.path.join(DEPLOY, "mixin"), check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def kustomize(folder):
    """The objects that it makes."""
    done = subprocess.run([kubectl.path(), "kustomize", folder], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return list(yaml.safe_load_all(done.stdout))


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.examples = {name: helm.render("-f", path) for name, path in helm.examples().items()}

    def one(self, example, kind):
        found = [each for each in self.examples[example] if each["kind"] == kind]
        self.assertEqual(len(found), 1, f"{kind} in {example}")
        return found[0]

    def test_lint_finds_nothing(self):
        for path in [os.path.join(helm.CHART, "values.yaml"), *helm.examples().values()]:
            status, output, errors = helm.helm("lint", "--strict", "--quiet", helm.CHART, "-f", path)
            self.assertEqual((status, output.strip()), (0, ""), errors)

    def test_each_example_is_as_in_its_golden_file(self):
        """Without the groups of the rules and the text of the dashboard: other tests compare them."""
        self.maxDiff = None
        wanted = set()
        for name, objects in self.examples.items():
            objects = copy.deepcopy(objects)
            for each in objects:
                if each["kind"] == "PrometheusRule":
                    each["spec"]["groups"] = [group["name"] for group in each["spec"]["groups"]]
                elif each["metadata"]["name"].endswith("-dashboard"):
                    each["data"] = list(each["data"])
            text = yaml.safe_dump_all(objects, sort_keys=False, width=120)
            path = os.path.join(GOLDEN, name + ".yaml")
            wanted.add(os.path.basename(path))
            if os.environ.get("UPDATE_GOLDEN"):
                os.makedirs(GOLDEN, exist_ok=True)
                with open(path, "w") as out:
                    out.write(text)
            with self.subTest(name), open(path) as golden:
                self.assertEqual(text, golden.read())
        self.assertEqual(set(os.listdir(GOLDEN)), wanted)

    def test_every_object_matches_the_schema_of_its_kind(self):
        for name, objects in self.examples.items():
            for each in objects:
                with self.subTest(example=name, kind=each["kind"]):
                    schema.check(each)

    def test_kubeconform_agrees_with_the_schemas_of_kubernetes_and_the_operator(self):
        def conform(objects):
            done = subprocess.run([tools.path("kubeconform"), "-strict", "-skip", "SecurityContextConstraints",
                                   "-schema-location", location, "-"], input=yaml.safe_dump_all(objects), text=True,
                                  capture_output=True)
            return done.returncode, done.stdout + done.stderr

        with tempfile.TemporaryDirectory() as folder:
            location = helm.schemas(os.path.join(folder, "schemas"))
            for name, objects in self.examples.items():
                with self.subTest(name):
                    self.assertEqual(conform(objects), (0, ""))
            for overlay in os.listdir(os.path.join(DEPLOY, "kustomize", "overlays")):
                with self.subTest(overlay):
                    self.assertEqual(conform(kustomize(os.path.join(DEPLOY, "kustomize", "overlays", overlay))), (0, ""))
            wrong = copy.deepcopy(self.one("containerd", "DaemonSet"))
            wrong["spec"]["template"]["spec"]["gracePeriod"] = 5
            status, output = conform([wrong])
            self.assertEqual(status, 1)
            self.assertIn("gracePeriod", output)
            wrong = copy.deepcopy(self.one("operator", "PodMonitor"))
            wrong["spec"]["podMetricsEndpoints"][0]["honourLabels"] = True
            status, output = conform([wrong])
            self.assertEqual(status, 1)
            self.assertIn("honourLabels", output)

    def test_kustomize_makes_the_same(self):
        for example, components in SAME.items():
            with self.subTest(example):
                chart = self.comparable(self.examples[example], drop=("Pod", "ResourceQuota", "ConfigMap"))
                # What the example sets beyond the components.
                overlay = self.comparable(self.overlay(*components), drop=("Namespace",))
                if example == "autopilot":
                    chart["DaemonSet"]["spec"]["template"]["spec"]["containers"][0]["resources"] = \
                        overlay["DaemonSet"]["spec"]["template"]["spec"]["containers"][0]["resources"]
                if example == "host-network":
                    self.same_port_and_server(chart)
                self.maxDiff = None
                self.assertEqual(chart.keys(), overlay.keys())
                for kind in chart:
                    self.assertEqual(chart[kind], overlay[kind], f"{kind} of {example}")

    @staticmethod
    def same_port_and_server(chart):
        container = chart["DaemonSet"]["spec"]["template"]["spec"]["containers"][0]
        container["args"].remove("--web.listen-address=:19917")
        container["ports"][0]["containerPort"] = chart["Service"]["spec"]["ports"][0]["port"] = 9917
        container["env"] = [each for each in container["env"] if not each["name"].startswith("KUBERNETES_SERVICE")]

    @staticmethod
    def overlay(*components):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "kustomization.yaml"), "w") as out:
                yaml.safe_dump({
                    "resources": [os.path.relpath(os.path.join(DEPLOY, "kustomize", "base"), folder)],
                    "components": [os.path.relpath(os.path.join(DEPLOY, "kustomize", "components", name), folder)
                                   for name in components],
                    "images": [{"name": "imagepull-exporter",
                                "newName": "registry.example.com/platform/imagepull-exporter"}]}, out)
            return kustomize(folder)

    def comparable(self, objects, drop):
        """{kind: object}, {name: groups} for the rules. Without what only Helm has."""
        only_helm = {"app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "helm.sh/chart"}

        def clean(value):
            if isinstance(value, dict):
                return {key: clean(each) for key, each in value.items() if key not in only_helm}
            return [clean(each) for each in value] if isinstance(value, list) else value

        found = {"PrometheusRule": rules_of(objects)} if rules_of(objects) else {}
        for each in map(clean, objects):
            if each["kind"] in (*drop, "PrometheusRule"):
                continue
            self.assertNotIn(each["kind"], found)
            # deploy/rbac has no labels, and those of the base are not for the objects of components.
            labels = each["metadata"].pop("labels", {})
            self.assertEqual(labels.get("app.kubernetes.io/name", "imagepull-exporter"), "imagepull-exporter")
            each["metadata"]["release"] = labels.get("release")
            for container in each["spec"]["template"]["spec"]["containers"] if each["kind"] == "DaemonSet" else ():
                container.pop("imagePullPolicy", None)  # IfNotPresent is the default for a tag
            found[each["kind"]] = each
        return found

    def test_the_pod_of_the_helm_test_asks_the_agents(self):
        pod, service = self.one("containerd", "Pod"), self.one("containerd", "Service")
        self.assertEqual(pod["metadata"]["annotations"]["helm.sh/hook"], "test")
        url = pod["spec"]["containers"][0]["command"][-1]
        self.assertEqual(url, "http://{name}.{namespace}.svc:9917/-/ready".format(**service["metadata"]))
        # It is no agent: nothing selects it.
        self.assertNotEqual(pod["metadata"]["labels"]["app.kubernetes.io/name"],
                            service["spec"]["selector"]["app.kubernetes.io/name"])
        url = self.one("service-monitor", "Pod")["spec"]["containers"][0]["command"][-1]
        self.assertTrue(url.startswith("https://"), url)

    def test_selectors_match_and_names_are_unique(self):
        for release, namespace in (("imagepull-exporter", "imagepull-exporter"), ("one", "team")):
            objects = helm.render(values={"openshift": {"enabled": True}, "runtime": {"type": "crio"},
                                          "podMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}},
                                  release=release, namespace=namespace)
            names = [(each["kind"], each["metadata"]["name"]) for each in objects]
            self.assertEqual(len(set(names)), len(names))
            by_kind = {each["kind"]: each for each in objects}
            labels = by_kind["DaemonSet"]["spec"]["template"]["metadata"]["labels"].items()
            self.assertLessEqual(by_kind["DaemonSet"]["spec"]["selector"]["matchLabels"].items(), labels)
            self.assertLessEqual(by_kind["Service"]["spec"]["selector"].items(), labels)
            self.assertLessEqual(by_kind["PodMonitor"]["spec"]["selector"]["matchLabels"].items(), labels)
            self.assertLessEqual(by_kind["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"].items(), labels)
            account = by_kind["ServiceAccount"]["metadata"]["name"]
            self.assertEqual(by_kind["SecurityContextConstraints"]["users"],
                             [f"system:serviceaccount:{namespace}:{account}"])
            self.assertEqual({each["metadata"].get("namespace", namespace) for each in objects}, {namespace})
            self.assertEqual(by_kind["DaemonSet"]["metadata"]["name"],
                             "imagepull-exporter" if release == "imagepull-exporter" else "one-imagepull-exporter")


class Rules(unittest.TestCase):
    """The rules of the chart are those of the mixin with the same settings."""

    def rendered(self, release=helm.NAME, **values):
        return rules_of(helm.render(values=values, release=release))

    def test_the_default_is_deploy_alerts(self):
        wanted = {os.path.basename(path).removesuffix(".rules.yaml"): yaml.safe_load(read(path))["groups"]
                  for path in glob.glob(os.path.join(DEPLOY, "alerts", "*.rules.yaml"))}
        self.assertEqual(self.rendered(prometheusRule={"enabled": True}), wanted)

    def test_a_prometheus_that_overrides_honor_labels(self):
        self.assertEqual(self.rendered(prometheusRule={"enabled": True},
                                       podMonitor={"enabled": True, "honorLabels": False}),
                         mixin("(import 'exported-labels.libsonnet')._config"))

    def test_every_setting(self):
        chart = self.rendered(release="agents", nameOverride="pulls", prometheusRule={
            "enabled": True, "namespaceSelector": 'namespace!~"sandbox-.*"', "selector": 'env="prod",dc="a"',
            "severities": {"ImageRegistryError": "info"}, "disabled": ["ImagePullUnclassifiedShare", "ImageUnusable"],
            "runbookUrl": "https://wiki.example.com/imagepull/", "clusterLabel": "site",
            "nodes": 'up{job="kubelet",metrics_path="/metrics"}',
            "thresholds": {"blockedSeconds": 1000000, "shortLivedFailures": 4, "longPullSeconds": 7200, "pageNodes": 5,
                           "pageFor": "10m", "pageNamespaces": 7, "unclassifiedShare": 0.25}})
        self.assertEqual(chart, mixin("""{
            namespaceSelector: 'namespace!~"sandbox-.*"', selector: 'env="prod",dc="a"',
            severity+: {ImageRegistryError: 'info'}, without: ['ImagePullUnclassifiedShare', 'ImageUnusable'],
            runbookBase: 'https://wiki.example.com/imagepull/', clusterLabel: 'site',
            nodes: 'up{job="kubelet",metrics_path="/metrics"}', job: 'pulls', daemonset: 'agents-pulls',
            blockedSeconds: 1000000, shortLivedFailures: 4, longPullSeconds: 7200, pageNodes: 5, pageFor: '10m',
            pageNamespaces: 7, unclassifiedShare: 0.25}"""))

    def test_only_one_of_two_matchers(self):
        for name in ("selector", "namespaceSelector"):
            self.assertEqual(self.rendered(prometheusRule={"enabled": True, name: 'namespace="a"'}),
                             mixin("{%s: 'namespace=\"a\"'}" % name))

    def test_labels_of_all_alerts(self):
        groups = self.rendered(prometheusRule={"enabled": True, "additionalRuleLabels": {"team": "platform"}})
        alerts = [rule for each in groups.values() for group in each for rule in group["rules"] if "alert" in rule]
        self.assertEqual({rule["labels"]["team"] for rule in alerts}, {"platform"})
        self.assertEqual({rule["labels"]["severity"] for rule in alerts}, {"critical", "warning", "info"})

    def test_no_mark_is_left(self):
        text = json.dumps(helm.render(values={"prometheusRule": {"enabled": True}, "dashboard": {"enabled": True}}))
        self.assertEqual(re.findall(r"@[a-zA-Z]+@", text), [])

    def test_the_dashboard_is_that_of_deploy(self):
        made, = (each for each in helm.render(values={"dashboard": {"enabled": True}}) if each["kind"] == "ConfigMap")
        self.assertEqual(made["data"]["imagepull.json"], read("dashboard", "imagepull.json"))
        self.assertEqual(made["metadata"]["labels"]["grafana_dashboard"], "1")
        made, = (each for each in helm.render(values={
            "dashboard": {"enabled": True}, "prometheusRule": {"runbookUrl": "https://wiki.example.com/x"}})
            if each["kind"] == "ConfigMap")
        self.assertIn("https://wiki.example.com/x/", made["data"]["imagepull.json"])


class Refused(unittest.TestCase):
    def test_combinations_that_cannot_work(self):
        for values, words in (
                ({"openshift": {"enabled": True}}, "openshift.enabled needs runtime.type=crio"),
                ({"openshift": {"enabled": True}, "runtime": {"type": "k3s"}}, "openshift.enabled needs"),
                ({"kubernetes": {"source": "kubelet", "events": False}}, "kubernetes.events=false has no use"),
                ({"kubernetes": {"kubelet": {"insecureSkipTLSVerify": True}}}, "needs kubernetes.source=kubelet"),
                ({"kubernetes": {"source": "kubelet"}, "apiServer": {"host": "x", "port": 1}}, "apiServer.host has no use"),
                ({"apiServer": {"host": "api.example.com"}}, "belong together"),
                ({"runtime": {"type": "custom"}}, "needs runtime.socket"),
                ({"runtime": {"socket": "/run/x/x.sock"}}, "runtime.socket needs runtime.type=custom"),
                ({"runtime": {"type": "custom", "socket": "/run/cri-dockerd.sock"}}, "its folder would be mounted"),
                ({"runtime": {"type": "none"}, "runAsRoot": True}, "runAsRoot has no use"),
                ({"runtime": {"type": "none"}, "selinux": {"type": "spc_t"}}, "selinux.type has no use"),
                ({"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True}}, "scraped twice"),
                ({"serviceMonitor": {"enabled": True}, "service": {"enabled": False}}, "needs service.enabled"),
                ({"hostNetwork": {"enabled": True}, "updateStrategy": {"rollingUpdate": {"maxSurge": 1}}}, "must be 0"),
                ({"webConfig": {"tls": True}}, "needs webConfig.existingSecret")):
            with self.subTest(words):
                self.assertIn(words, helm.refusal(values))

    def test_values_that_the_schema_refuses(self):
        for values, words in (
                ({"runtimes": {}}, "runtimes"),
                ({"runtime": {"type": "docker"}}, "runtime"),
                ({"runtime": {"type": "custom", "socket": "run/x.sock"}}, "socket"),
                ({"port": 70000}, "port"),
                ({"port": "9917"}, "port"),
                ({"image": {"digest": "sha256:1"}}, "digest"),
                ({"extraArgs": ["-v"]}, "extraArgs"),
                ({"kubernetes": {"source": "none"}}, "source"),
                ({"prometheusRule": {"disabled": ["not an alert"]}}, "disabled"),
                ({"prometheusRule": {"thresholds": {"pageFor": "6 minutes"}}}, "pageFor"),
                ({"networkPolicy": {"apiServerPorts": []}}, "apiServerPorts"),
                ({"podLabels": {"tier": 1}}, "tier")):
            with self.subTest(words):
                errors = helm.refusal(values)
                self.assertIn("schema", errors)
                self.assertIn(words, errors)


class Documents(unittest.TestCase):
    def test_the_readme_has_all_values(self):
        done = subprocess.run([os.path.join(kubectl.ROOT, "scripts", "chart-readme"), "--check"], capture_output=True,
                              text=True)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_the_schema_has_all_values(self):
        """And no other one."""
        def names(part, path=""):
            for name, each in part.get("properties", {}).items():
                yield path + name
                yield from names(each, f"{path}{name}.")

        def paths(values, path=""):
            for name, each in values.items():
                yield path + name
                if isinstance(each, dict) and path + name not in free:
                    yield from paths(each, f"{path}{name}.")

        document = json.loads(read("charts", "imagepull-exporter", "values.schema.json"))
        known = set(names(document)) - {"global"}
        free = {path for path in known if not any(other.startswith(path + ".") for other in known)}
        self.assertEqual(set(paths(yaml.safe_load(read("charts", "imagepull-exporter", "values.yaml")))), known)

    def test_the_version_is_that_of_the_project(self):
        with open(os.path.join(kubectl.ROOT, "VERSION")) as source:
            version = source.read().strip()
        chart = yaml.safe_load(read("charts", "imagepull-exporter", "Chart.yaml"))
        self.assertEqual((chart["version"], chart["appVersion"]), (version, version))

    def test_the_default_address_of_the_runbooks_is_that_of_the_rules(self):
        values = yaml.safe_load(read("charts", "imagepull-exporter", "values.yaml"))
        self.assertEqual(values["prometheusRule"]["runbookUrl"], read("alerts", "runbook-base-url").strip())


if __name__ == "__main__":
    unittest.main()
