# SPDX-License-Identifier: Apache-2.0
"""Checks the alerts, the examples for Prometheus, the runbooks and the dashboard: with tools, and against each other."""

import glob
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import yaml

from kubectl import ROOT

DEPLOY = os.path.join(ROOT, "deploy")
ALERTS = os.path.join(DEPLOY, "alerts")
# One alert for each action that a person must take.
WANTED = {
    "ImagePullUnauthorized", "ImagePullSecretMissing", "ImageNotFound", "ImagePullNetwork",
    "ImageRegistryUnreachable", "ImagePullRateLimited", "ImageRegistryError", "ImagePullNodeDisk",
    "ImagePullNodeFault", "ImageUnusable", "ImagePullMisconfigured", "ImagePullStalled",
    "ImagePullCancelled", "ImagePullKeepsFailing", "ImagePullInProgressForLong", "ImagePullUnclassified",
    "ImagePullUnclassifiedShare", "ImagePullExporterDown", "ImagePullExporterAbsent", "ImagePullExporterMissing",
    "ImagePullExporterNotReady", "ImagePullExporterSourceDown", "ImagePullExporterCapped",
    "ImagePullExporterLeavesOut", "ContainerRuntimeUnreachable"}
# Alerts on containers. Their owner is the owner of the namespace.
OWNED = {name for name in WANTED if "Exporter" not in name} - {
    "ImageRegistryUnreachable", "ImagePullInProgressForLong", "ImagePullUnclassifiedShare",
    "ContainerRuntimeUnreachable"}


def read(*path):
    with open(os.path.join(*path)) as source:
        return source.read()


def rules():
    return [rule for path in sorted(glob.glob(os.path.join(ALERTS, "*.rules.yaml")))
            for group in yaml.safe_load(read(path))["groups"] for rule in group["rules"]]


def alerts():
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def tool(program, *arguments):
    done = subprocess.run([program, *arguments], cwd=ALERTS, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    if done.returncode != 0:
        raise AssertionError(f"{program} {' '.join(arguments)}:\n{done.stdout}")
    return done.stdout


def reasons():
    """{cause: its reasons}, from the table of the program."""
    found = {}
    for reason, cause in re.findall(r'X\(\w+, "(\w+)", (\w+)\)', read(ROOT, "include", "causes.h")):
        found.setdefault(cause.lower(), set()).add(reason)
    return found


class Rules(unittest.TestCase):
    def test_promtool_accepts_the_rules(self):
        tool("promtool", "check", "rules", *glob.glob(os.path.join(ALERTS, "*.rules.yaml")))

    def test_promtool_tests_pass(self):
        for rule_file in glob.glob(os.path.join(ALERTS, "*.rules.yaml")):
            tool("promtool", "test", "rules", rule_file.replace(".rules.yaml", ".test.yaml"))

    def test_generated_files_are_up_to_date(self):
        tool(os.path.join(ALERTS, "generate"), "--check")

    def test_the_rules_define_exactly_the_listed_alerts(self):
        self.assertEqual(set(alerts()), WANTED)

    def test_each_alert_has_severity_for_keep_firing_for_and_annotations(self):
        for name, rule in alerts().items():
            with self.subTest(name):
                self.assertIn(rule["labels"]["severity"], ("critical", "warning", "info"))
                self.assertIn("for", rule)
                self.assertIn("keep_firing_for", rule)
                self.assertEqual(set(rule["annotations"]), {"summary", "description", "runbook_url"})

    def test_each_alert_has_a_test_that_it_waits_fires_and_ends(self):
        checks = {}
        for path in glob.glob(os.path.join(ALERTS, "*.test.yaml")):
            for test in yaml.safe_load(read(path))["tests"]:
                story = {}
                for check in test.get("alert_rule_test", []):
                    story.setdefault(check["alertname"], []).append(bool(check["exp_alerts"]))
                for name, fired in story.items():
                    checks.setdefault(name, []).append(fired)
        for name in WANTED:
            with self.subTest(name):
                # In one test: not firing, then firing, then not firing.
                self.assertTrue(any(story[0] is False and True in story and story[-1] is False
                                    for story in checks[name]))

    def test_alerts_on_containers_carry_cluster_and_namespace(self):
        for name in OWNED:
            by = re.search(r"^(?:\(\s*)?(?:count|sum) by \(([\w, ]+)\)", alerts()[name]["expr"]).group(1).split(", ")
            self.assertEqual(by[:2], ["cluster", "namespace"], name)

    def test_the_summary_is_short_and_the_same_for_every_pod(self):
        for name, rule in alerts().items():
            self.assertNotIn("{{", rule["annotations"]["summary"], name)
            self.assertLess(len(rule["annotations"]["summary"]), 90, name)

    def test_the_description_names_three_pods_or_nodes_at_most(self):
        for name, rule in alerts().items():
            for query in re.findall(r'range printf "(.*?)"(?: \$| \|)', rule["annotations"]["description"]):
                self.assertRegex(query, r"^(topk|bottomk)\(3, |^count by \(reason\)", name)

    def test_only_one_alert_pages(self):
        self.assertEqual({name for name, rule in alerts().items() if rule["labels"]["severity"] == "critical"},
                         {"ImageRegistryUnreachable"})

    def test_every_cause_has_an_alert(self):
        covered = " ".join(rule["expr"] for rule in alerts().values())
        for cause in reasons():
            self.assertIn(f'cause="{cause}"', covered)

    def test_every_metric_name_in_deploy_exists(self):
        there = set(re.findall(r"^\| `(\w+)` \|", read(ROOT, "docs", "metrics.md"), re.M))
        self.assertGreater(len(there), 25)
        there |= {rule["record"] for rule in rules() if "record" in rule}
        there |= {name + end for name in there for end in ("_bucket", "_count", "_sum")}
        named = set()
        for folder, _, files in os.walk(DEPLOY):
            for file in files:
                for name in re.findall(r"(?:\b\w+:)?\b(?:imagepull|process)_[\w:]+", read(folder, file)):
                    with self.subTest(file):
                        self.assertIn(name, there)
                    named.add(name)
        self.assertGreater(len(named), 20)


class Mixin(unittest.TestCase):
    """The settings of deploy/mixin."""

    def rules(self, settings):
        done = subprocess.run(["jsonnet", "-e", f'((import "mixin.libsonnet") + {{_config+:: {settings}}})'
                                                ".prometheusAlerts"], cwd=os.path.join(DEPLOY, "mixin"), check=True,
                              stdout=subprocess.PIPE, text=True)
        return {rule.get("alert") or rule["record"]: rule for group in json.loads(done.stdout)["groups"]
                for rule in group["rules"]}

    def test_without_settings_it_makes_the_shipped_rules(self):
        self.assertEqual(self.rules("{}"), {rule.get("alert") or rule["record"]: rule for rule in rules()})

    def test_settings_change_the_rules(self):
        changed = self.rules("""{
            clusterLabel: 'k8s', selector: 'env="prod"', namespaceSelector: 'namespace!~"sandbox-.*"', blockedSeconds: 600,
            pageNodes: 7, pageFor: '9m', job: 'agents', nodes: 'up{job="kubelet"}', severity+: {ImageNotFound: 'info'},
            names: {ImageUnusable: 'OurImage'}, without: ['ImagePullUnclassifiedShare'],
            runbookBase: 'https://wiki.example.com/'}""")
        self.assertEqual(set(changed) - {"OurImage"}, {rule.get("alert") or rule["record"] for rule in rules()}
                         - {"ImageUnusable", "ImagePullUnclassifiedShare"})
        missing = changed["ImageNotFound"]
        self.assertEqual(missing["labels"], {"severity": "info"})
        self.assertEqual(missing["annotations"]["runbook_url"], "https://wiki.example.com/not_found.md")
        self.assertIn("by (k8s, namespace, registry, cause)", missing["expr"])
        self.assertIn('{cause="not_found",namespace!~"sandbox-.*"} > 600', missing["expr"])
        page = changed["ImageRegistryUnreachable"]
        self.assertEqual((page["expr"], page["for"]), ("registry:imagepull_nodes_cut_off:count >= 7\n", "9m"))
        self.assertIn('up{job="kubelet"}', changed["ImagePullExporterMissing"]["expr"])
        text = json.dumps(changed)
        self.assertNotIn('job=\\"imagepull-exporter', text)
        for rule in changed.values():
            self.assertNotRegex(rule["expr"], r"\bcluster[,)=]")
            for name in re.findall(r"\bimagepull_\w+(?!\w|:)\{?", rule["expr"]):
                self.assertTrue(name.endswith("{"), f"{name} without the selector in {rule['expr']}")
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as out:
            yaml.safe_dump({"groups": [{"name": "changed", "rules": list(changed.values())}]}, out)
            out.flush()
            tool("promtool", "check", "rules", out.name)


class Prometheus(unittest.TestCase):
    def test_promtool_accepts_the_scrape_job(self):
        # Without kubernetes_sd_configs: Debian's Prometheus is built without it.
        config = yaml.safe_load(read(DEPLOY, "prometheus", "scrape.yaml"))
        found = config["scrape_configs"][0].pop("kubernetes_sd_configs")
        self.assertEqual(found, [{"role": "pod", "namespaces": {"names": ["imagepull-exporter"]}}])
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as out:
            yaml.safe_dump(config, out)
            out.flush()
            tool("promtool", "check", "config", "--syntax-only", out.name)


class Alertmanager(unittest.TestCase):
    def setUp(self):
        self.config = yaml.safe_load(read(DEPLOY, "prometheus", "alertmanager.yaml"))

    def test_amtool_accepts_the_configuration(self):
        tool("amtool", "check-config", os.path.join(DEPLOY, "prometheus", "alertmanager.yaml"))

    def test_matchers_name_existing_alerts_and_labels(self):
        matchers = [matcher for rule in self.config["inhibit_rules"]
                    for matcher in rule["source_matchers"] + rule["target_matchers"]]
        matchers += [matcher for route in self.config["route"]["routes"] for matcher in route["matchers"]]
        named = set(re.findall(r"\b(?:Image|Container)\w+", " ".join(matchers)))
        self.assertTrue(named)
        self.assertLessEqual(named, WANTED)
        for rule in self.config["inhibit_rules"]:
            for label in rule["equal"]:
                matched = " ".join(rule["source_matchers"] + rule["target_matchers"])
                for name in re.findall(r"\b(?:Image|Container)\w+", matched):
                    by = re.search(r"by \(([\w, ]+)\)", alerts()[name]["expr"])
                    keeps = by.group(1).split(", ") if by else ["cluster", "registry"]  # of the recording rules
                    self.assertIn(label, keeps, name)


class Runbooks(unittest.TestCase):
    def pages(self):
        return {os.path.basename(path): read(path) for path in glob.glob(os.path.join(DEPLOY, "runbooks", "*.md"))}

    def test_each_alert_has_a_runbook_that_names_it(self):
        pages = self.pages()
        for name, rule in alerts().items():
            page = rule["annotations"]["runbook_url"].rpartition("/")[2]
            self.assertIn(name, pages[page])
            self.assertIn(name, pages["README.md"])

    def test_each_cause_has_a_page_with_all_its_reasons(self):
        pages = self.pages()
        self.assertEqual(len(reasons()), 9)
        for cause, its in reasons().items():
            text = pages[cause + ".md"] + (pages["stalled.md"] if cause == "network" else "")
            for reason in its:
                self.assertIn(f"`{reason}`", text, cause)

    def test_each_reason_is_explained_exactly_once(self):
        tables = [re.search(r"^\| reason \|.*?\n\n", text, re.M | re.S) for text in self.pages().values()]
        explained = [row for table in tables if table for row in re.findall(r"^\| `(\w+)` \|", table.group(), re.M)]
        # These two have their own page.
        self.assertEqual(sorted([*explained, "too_many_requests", "pull_stalled"]),
                         sorted(reason for its in reasons().values() for reason in its))

    def test_links_lead_to_existing_files(self):
        for name, text in self.pages().items():
            for target in re.findall(r"\]\(([^)#]+)\)", text):
                self.assertTrue(os.path.exists(os.path.join(DEPLOY, "runbooks", target)), f"{name}: {target}")

    def test_commands_are_valid_shell(self):
        """bash accepts the syntax of each block that is marked sh."""
        blocks = [(name, block) for name, text in self.pages().items()
                  for block in re.findall(r"^ *```sh\n(.*?)^ *```", text, re.M | re.S)]
        self.assertGreater(len(blocks), 15)
        for name, block in blocks:
            done = subprocess.run([shutil.which("bash"), "-n"], input=block, capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""), name)


class Dashboard(unittest.TestCase):
    """tests/e2e checks that the queries return data."""

    def setUp(self):
        self.dashboard = json.loads(read(DEPLOY, "dashboard", "imagepull.json"))
        self.panels = [panel for panel in self.dashboard["panels"] if panel["type"] != "row"]

    def test_variables_exist_and_are_used(self):
        self.assertEqual([v["name"] for v in self.dashboard["templating"]["list"]],
                         ["datasource", "job", "cluster", "namespace", "registry", "node", "instance"])
        used = " ".join(target["expr"] for panel in self.panels for target in panel["targets"])
        for name in ("job", "cluster", "namespace", "registry", "node", "instance"):
            self.assertIn("$" + name, used)

    def queries(self):
        return [(panel["title"], target["expr"]) for panel in self.panels for target in panel["targets"]]

    def test_every_series_of_the_agents_is_selected_by_job_instance_and_cluster(self):
        """Recorded series have neither job nor instance."""
        for title, expression in self.queries():
            found = re.findall(r"(?<![\w:])((?:imagepull|process)_\w+|up)\b(\{[^}]*\})?", expression)
            for name, selector in found:
                for label in ("job", "instance", "cluster"):
                    self.assertIn(f'{label}=~"${label}"', selector, f"{title}: {name}")
            self.assertTrue(found or "container:imagepull_" in expression, title)

    def test_every_panel_says_what_it_shows_and_in_which_unit(self):
        for panel in self.panels:
            self.assertGreater(len(panel["description"]), 30, panel["title"])
            self.assertIn("unit", panel["fieldConfig"]["defaults"], panel["title"])

    def test_failures_are_counted_per_minute(self):
        """They are rare: 0.003 per second tells nobody anything."""
        seen = 0
        for panel in self.panels:
            for target in panel["targets"]:
                if re.search(r"_failures_total", target["expr"]) and panel["fieldConfig"]["defaults"]["unit"] != "percentunit":
                    seen += 1
                    self.assertEqual(panel["fieldConfig"]["defaults"]["unit"], "opm", panel["title"])
                    self.assertTrue(target["expr"].startswith("60 * "), panel["title"])
        self.assertGreaterEqual(seen, 3)

    def test_counters_are_only_read_as_rates_over_the_interval_of_the_panel_or_an_hour(self):
        for title, expression in self.queries():
            for match in re.finditer(r"\w+_(?:total|bucket|count|sum)\{[^}]*\}(\[[^]]*\])?", expression):
                self.assertIn(match.group(1), ("[$__rate_interval]", "[1h]", "[6h]"), title)
                self.assertEqual(expression[:match.start()][-5:], "rate(", title)

    def test_tables_show_the_cluster_and_lead_from_a_row_to_its_pod_and_its_runbook(self):
        for panel in self.panels:
            if panel["type"] == "table":
                hidden = panel["transformations"][0]["options"]["excludeByName"]
                self.assertNotIn("cluster", [name for name, is_hidden in hidden.items() if is_hidden])
                self.assertTrue("by (cluster, " in panel["targets"][0]["expr"] or "container:" in panel["targets"][0]["expr"])
        table, = (panel for panel in self.panels if panel["title"] == "Blocked containers, longest first")
        links = {override["matcher"]["options"]: link["url"] for override in table["fieldConfig"]["overrides"]
                 for each in override["properties"] if each["id"] == "links" for link in each["value"]}
        self.assertIn("var-namespace=${__data.fields.namespace}&var-pod=${__value.text}", links["pod"])
        self.assertTrue(links["cause"].startswith("https://") and links["cause"].endswith("/${__value.text}.md"))
        self.assertTrue(self.dashboard["links"][0]["url"].endswith("/README.md"))

    def test_panels_do_not_overlap(self):
        ids = [panel["id"] for panel in self.dashboard["panels"]]
        self.assertEqual(len(set(ids)), len(ids))
        taken = {}
        for panel in self.dashboard["panels"]:
            at = panel["gridPos"]
            self.assertLessEqual(at["x"] + at["w"], 24, panel["title"])
            for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
                self.assertNotIn(cell, taken, f"{panel['title']} overlaps {taken.get(cell)}")
                taken[cell] = panel["title"]

    def test_no_agents_does_not_look_like_no_failures(self):
        blocked, = (panel for panel in self.panels if panel["type"] == "stat")
        self.assertNotIn("vector(0)", blocked["targets"][0]["expr"])
        self.assertEqual(blocked["fieldConfig"]["defaults"]["noValue"], "no agent answers")

    def test_a_table_has_one_query(self):
        """Grafana shows only the first query of a table."""
        for panel in self.panels:
            if panel["type"] == "table":
                self.assertEqual(len(panel["targets"]), 1, panel["title"])

    def test_every_panel_uses_the_data_source_variable(self):
        for panel in self.panels:
            for each in (panel, *panel["targets"]):
                self.assertEqual(each["datasource"], {"type": "prometheus", "uid": "${datasource}"})


if __name__ == "__main__":
    unittest.main()
