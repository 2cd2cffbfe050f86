# SPDX-License-Identifier: Apache-2.0
"""
Situations of an operator's year, as promtool tests of deploy/alerts: who is paged, who is warned, who is left alone.

Each class writes the series that Prometheus would hold, one value every 30 seconds, and says which alerts fire at which
minute. promtool calculates.
"""

import os
import subprocess
import tempfile
import unittest

import yaml

from kubectl import ROOT

DEPLOY = os.path.join(ROOT, "deploy")
RULES = [os.path.join(DEPLOY, "alerts", name + ".rules.yaml") for name in ("containers", "exporter", "registries")]
STEP = 30  # seconds
BACK_OFF = (0, 10, 30, 70, 150, 310)  # seconds after the first attempt of the kubelet; then each 300
PAGE = "ImageRegistryUnreachable"
THE_PAGE = f'alertname="{PAGE}"'
OF_AGENTS = "ImagePullExporter.*|ContainerRuntimeUnreachable"


def selector(name, labels):
    return name + "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}"


class Story:
    """`hours`: how long it takes."""

    def __init__(self, hours=1):
        self.steps = int(hours * 3600 / STEP)
        self.series, self.checks = [], []
        self.failed = {}  # labels of the counter: seconds of the failures

    def add(self, name, value, begin=0, end=None, **labels):
        """
        The series is there from `begin` to `end`, in seconds. `value` is a number or a function of the second; where it
        gives None the series is not there.
        """
        end = self.steps * STEP if end is None else end
        values = []
        for now in range(0, self.steps * STEP, STEP):
            here = (value(now) if callable(value) else value) if begin <= now < end else None
            was_there = values and values[-1] not in ("_", "stale")
            values.append(str(here) if here is not None else "stale" if was_there else "_")
        self.series.append({"series": selector(name, labels), "values": " ".join(values)})

    def blocked(self, node, namespace, pod, cause, reason, begin, end=None, registry="reg.example", tag="1", **labels):
        container = {"node": node, "namespace": namespace, "pod": pod, "container": "app",
                     "image": f"{registry}/{namespace}/app:{tag}", **labels}
        self.add("imagepull_container_blocked_info", 1, begin, end, **container, registry=registry, cause=cause,
                 reason=reason)
        self.add("imagepull_container_blocked_since_timestamp_seconds", begin, begin, end, **container)
        counter = {"node": node, "namespace": namespace, "registry": registry, "cause": cause, **labels}
        end = self.steps * STEP if end is None else end
        self.failed.setdefault(tuple(counter.items()), []).extend(
            each for each in (*(begin + after for after in BACK_OFF), *range(begin + 610, end, 300)) if each < end)

    def add_failures(self):
        """As the agent counts them: from the first failure to an hour after the last."""
        for labels, failed in self.failed.items():
            self.add("imagepull_namespace_failures_total",
                     lambda now, failed=failed: sum(each <= now for each in failed), min(failed), max(failed) + 3600,
                     **dict(labels))

    def good_pulls(self, node, *seconds, registry="reg.example", begin=0):
        self.add("imagepull_duration_seconds_count", lambda now: sum(each <= now for each in seconds), begin,
                 node=node, registry=registry)

    def nodes(self, count, registry="reg.example"):
        """Nodes that have pulled from the registry at 30 s."""
        names = [f"n{n}" for n in range(count)]
        for name in names:
            self.good_pulls(name, 30, registry=registry)
        return names

    def expect(self, minute, expression, *samples):
        """`samples`: (labels, value) of the expression at that minute."""
        self.checks.append({"expr": expression, "eval_time": f"{int(minute * 60)}s", "exp_samples": [
            {"labels": selector("", labels), "value": value} for labels, value in samples]})

    def expect_firing(self, minute, *alerts, of='alertname!~"%s"' % OF_AGENTS, by="alertname,namespace"):
        """`alerts`: the labels of all that fire."""
        self.expect(minute, f'count by ({by}) (ALERTS{{alertstate="firing",{of}}})', *((each, 1) for each in alerts))

    def silent(self, minutes, matcher='alertname!~"%s"' % OF_AGENTS):
        for minute in minutes:
            self.expect(minute, f'count(ALERTS{{alertstate="firing",{matcher}}})')

    def run(self, rules=None):
        self.add_failures()
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as out:
            yaml.safe_dump({"rule_files": rules or RULES, "evaluation_interval": f"{STEP}s", "tests": [
                {"interval": f"{STEP}s", "input_series": self.series, "promql_expr_test": self.checks}]}, out)
            out.flush()
            done = subprocess.run(["promtool", "test", "rules", out.name], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise AssertionError(done.stdout)


def names(alert, **labels):
    return {"alertname": alert, **labels}


class Owners(unittest.TestCase):
    """Who is struck: the labels of the alerts."""

    def test_an_old_typo_does_not_hide_another_namespace_with_the_same_cause(self):
        story = Story(2)
        for n, namespace in enumerate(("dev-bob", "dev-amy", "dev-joe")):
            story.blocked(f"n{n}", namespace, "typo", "not_found", "manifest_unknown", 0, registry="docker.io")
        for n in range(20):
            story.blocked(f"n{n}", "prod", f"checkout-{n:02}", "not_found", "manifest_unknown", 3600,
                          registry="docker.io")
        old = [names("ImageNotFound", namespace=each) for each in ("dev-bob", "dev-amy", "dev-joe")]
        story.expect_firing(50, *old)
        story.expect_firing(65, *old, names("ImageNotFound", namespace="prod"))
        story.expect(65, 'container:imagepull_blocked:age_seconds{namespace="prod"} > 180 and topk(1, '
                         'container:imagepull_blocked:age_seconds{namespace="prod",pod="checkout-07"})',
                     ({"__name__": "container:imagepull_blocked:age_seconds", "node": "n7", "namespace": "prod",
                       "pod": "checkout-07", "container": "app", "image": "docker.io/prod/app:1",
                       "registry": "docker.io", "cause": "not_found", "reason": "manifest_unknown"}, 300))
        story.run()

    def test_a_registry_that_200_nodes_cannot_reach_is_one_alert_for_each_namespace(self):
        story = Story()
        for n in range(200):
            story.blocked(f"n{n}", "prod" if n % 2 else "shop", f"web-{n}", "network", "connect_timeout", 300)
        story.expect(12, 'count(ALERTS{alertstate="firing",alertname!~"%s"})' % OF_AGENTS, ({}, 2))
        story.expect_firing(12, names("ImagePullNetwork", namespace="prod"), names("ImagePullNetwork", namespace="shop"))
        story.run()

    def test_a_cronjob_whose_pods_never_live_for_three_minutes_has_an_alert_within_the_hour(self):
        story = Story()
        for n in range(29):
            story.blocked("n1", "batch", f"report-{n}", "not_found", "manifest_unknown", 120 * n, 120 * n + 100)
        story.silent((10, 20))
        story.expect_firing(45, names("ImagePullKeepsFailing", namespace="batch", registry="reg.example"),
                            by="alertname,namespace,registry")
        story.run()

    def test_pods_that_are_gone_before_they_are_scraped_have_the_same_alert(self):
        story = Story()
        story.add("imagepull_namespace_failures_total", lambda now: 1 + now // 240, 60, node="n1", namespace="batch",
                  registry="reg.example", cause="not_found")
        story.silent((10, 20))
        story.expect_firing(50, names("ImagePullKeepsFailing", namespace="batch", registry="reg.example"),
                            by="alertname,namespace,registry")
        story.run()

    def test_namespaces_without_a_row_of_their_own_have_no_alert_together(self):
        story = Story()
        story.add("imagepull_namespace_failures_total", lambda now: now, node="n1", namespace="_other",
                  registry="other", cause="not_found")
        story.silent(range(5, 59, 5))
        story.run()

    def test_a_rollout_with_short_failures_is_no_alert(self):
        story = Story()
        for n in range(30):
            story.blocked(f"n{n}", "shop", f"web-{n}", "registry_error", "bad_gateway", 20 * n, 20 * n + 90)
        story.silent(range(1, 59, 2))
        story.run()

    def test_a_long_pull_whose_bytes_move_is_no_alert(self):
        story = Story(2)
        for n in range(8):
            story.add("imagepull_in_progress_oldest_timestamp_seconds", 0, node=f"gpu{n}", registry="nvcr.io")
            story.add("imagepull_in_progress_bytes", lambda now: now * 1000000, node=f"gpu{n}", registry="nvcr.io")
            story.add("imagepull_runtime_info", 1, node=f"gpu{n}", runtime="containerd", version="2.1")
        story.silent((33, 65, 110))
        story.run()


class Page(unittest.TestCase):
    """ImageRegistryUnreachable: only what strikes the platform."""

    def outage(self, reasons, begin=1200, nodes=6, end=None, namespaces=("shop", "bank"), hours=1):
        """`reasons`: (cause, reason) of the nodes in turn."""
        story = Story(hours)
        for n, node in enumerate(story.nodes(nodes)):
            cause, reason = reasons[n % len(reasons)]
            story.blocked(node, namespaces[n % len(namespaces)], f"web-{n}", cause, reason, begin + 5 * n, end)
        return story

    def pages(self, story, before=(21, 25), at=(28, 50)):
        story.silent(before, THE_PAGE)
        for minute in at:
            story.expect_firing(minute, names(PAGE, severity="critical", registry="reg.example"),
                                of=THE_PAGE, by="alertname,severity,registry")
        story.run()

    def stays_silent(self, story):
        story.silent(range(1, story.steps * STEP // 60, 3), THE_PAGE)
        story.run()

    def test_every_cause_of_the_registry_pages_alone(self):
        for cause, reason in (("network", "connect_timeout"), ("registry_error", "service_unavailable"),
                              ("rate_limited", "too_many_requests"), ("unauthorized", "bad_credentials")):
            with self.subTest(cause):
                self.pages(self.outage([(cause, reason)]))

    def test_half_timeouts_and_half_503_page(self):
        self.pages(self.outage([("network", "connect_timeout"), ("registry_error", "service_unavailable")]))

    def test_a_cause_that_changes_does_not_end_the_page(self):
        story = Story()
        for n, node in enumerate(story.nodes(4)):
            container = {"node": node, "namespace": "shop", "pod": f"web-{n}", "container": "app", "image": "i"}
            for k, (cause, reason) in enumerate((("network", "connect_timeout"), ("registry_error", "bad_gateway"))):
                story.add("imagepull_container_blocked_info", lambda now, k=k: 1 if now // 300 % 2 == k else None, 1200,
                          **container, registry="reg.example", cause=cause, reason=reason)
            story.add("imagepull_container_blocked_since_timestamp_seconds", 1200, 1200, **container)
        self.pages(story)

    def test_a_busy_registry_that_goes_away_pages(self):
        """Good pulls until the last second: the window in which they count must not hide the outage."""
        story = Story()
        for n in range(6):
            story.good_pulls(f"n{n}", *range(30, 1200, 60))
            story.blocked(f"n{n}", "shop", f"web-{n}", "network", "connect_refused", 1210 + n)
        self.pages(story, at=(29, 50))

    def test_a_typing_error_in_the_host_name_does_not_page(self):
        story = Story()
        for n in range(30):
            story.good_pulls(f"n{n}", *range(30, 3600, 300), registry="docker.io")
        for n in range(3):
            story.blocked(f"n{n}", "dev-bob", f"web-{n}", "network", "dns_not_found", 300,
                          registry="registry.exmaple.com")
        story.expect_firing(12, names("ImagePullNetwork", namespace="dev-bob"))
        self.stays_silent(story)

    def test_a_wrong_secret_of_one_team_does_not_page_in_a_quiet_night(self):
        self.stays_silent(self.outage([("unauthorized", "bad_credentials")], namespaces=("dev-bob",)))

    def test_a_missing_secret_does_not_page(self):
        self.stays_silent(self.outage([("unauthorized", "pull_secret_missing")]))

    def test_old_failures_of_several_teams_do_not_page(self):
        """They are older than the last good pull. In the night there are no pulls at all."""
        story = Story(3)
        for n in range(6):
            story.good_pulls(f"n{n}", 30, 1500)
            story.blocked(f"n{n}", f"dev-{n}", "typo", "unauthorized", "bad_credentials", 1200)
        self.stays_silent(story)

    def test_an_old_failure_of_another_team_does_not_make_a_wrong_secret_a_page(self):
        story = self.outage([("unauthorized", "bad_credentials")], begin=5000, namespaces=("dev-bob",), hours=2.5)
        story.blocked("n1", "dev-amy", "typo", "unauthorized", "bad_credentials", 100)
        story.good_pulls("n9", 30, 4000)
        self.stays_silent(story)

    def test_an_outage_of_160_seconds_does_not_page(self):
        """The kubelet tries at 0, 10, 30, 70, 150 and 310 s. Only the last attempt finds the registry healthy."""
        story = Story()
        for n in range(4):
            story.good_pulls(f"n{n}", 30, 1200 + 310)
            story.blocked(f"n{n}", "shop", f"web-{n}", "network", "connect_refused", 1200, 1200 + 320)
        self.stays_silent(story)

    def test_an_outage_that_is_over_does_not_page_while_containers_wait_for_their_next_attempt(self):
        """It lasts 311 s: the next attempt is at 610 s. Other pods pull in between."""
        story = Story()
        for n, node in enumerate(story.nodes(8)):
            story.blocked(node, "shop", f"web-{n}", "network", "connect_refused", 1200, 1200 + 620)
        story.good_pulls("n8", 30, 1200 + 330)
        self.stays_silent(story)

    def test_a_page_ends_when_a_pull_is_good_again(self):
        story = self.outage([("network", "connect_timeout")])
        story.good_pulls("n9", 30, 2400)
        story.silent((25, 57), THE_PAGE)
        story.expect_firing(39, names(PAGE), of=THE_PAGE, by="alertname")
        story.run()

    def test_new_nodes_whose_way_out_is_late_do_not_page(self):
        """Autoscaling: 20 new nodes reach the registry only after 12 minutes. The others have nothing to pull."""
        story = Story()
        story.nodes(10)
        for n in range(20):
            story.good_pulls(f"new{n}", 1200 + 720, begin=1200)
            story.blocked(f"new{n}", "shop", f"web-{n}", "network", "connect_timeout", 1210, 1200 + 730)
        self.stays_silent(story)

    def test_a_new_cluster_without_a_way_out_does_not_page(self):
        story = Story()
        for n in range(10):
            story.good_pulls(f"n{n}")
            story.blocked(f"n{n}", "kube-system", f"dns-{n}", "network", "connect_timeout", 60)
        self.stays_silent(story)

    def test_a_drain_and_pulls_that_the_node_gave_up_do_not_page(self):
        self.stays_silent(self.outage([("network", "pull_cancelled")]))

    def test_stalled_pulls_do_not_page(self):
        self.stays_silent(self.outage([("network", "pull_stalled")]))

    def test_two_nodes_are_too_few_to_blame_the_registry(self):
        self.stays_silent(self.outage([("network", "connect_timeout")], nodes=2))

    def test_one_node_in_each_of_three_clusters_does_not_page(self):
        story = Story()
        for cluster in ("east", "west", "south"):
            story.add("imagepull_duration_seconds_count", lambda now: int(now >= 30), node="n0", cluster=cluster,
                      registry="reg.example")
            story.blocked("n0", "shop", "web", "network", "connect_timeout", 1200, cluster=cluster)
        self.stays_silent(story)

    def test_a_registry_that_the_nodes_count_as_other_does_not_page(self):
        """Nothing tells whether it ever served an image. The alert of the namespace names it."""
        story = Story()
        for n, node in enumerate(story.nodes(6, registry="other")):
            story.blocked(node, "shop", f"web-{n}", "network", "connect_timeout", 1200)
        story.expect_firing(30, names("ImagePullNetwork", namespace="shop", registry="reg.example"),
                            by="alertname,namespace,registry")
        self.stays_silent(story)

    def test_an_update_of_the_agents_does_not_forget_which_nodes_were_served(self):
        """The counters of the new agents start at 0 an hour before the outage."""
        story = Story(26)
        for n in range(4):
            story.add("imagepull_duration_seconds_count", lambda now: int(now >= 30), 0, 24 * 3600, node=f"n{n}",
                      instance="old", registry="reg.example")
            story.add("imagepull_duration_seconds_count", 0, 24 * 3600, node=f"n{n}", instance="new",
                      registry="reg.example")
            story.blocked(f"n{n}", "shop", f"web-{n}", "network", "connect_timeout", 25 * 3600)
        # The last good pull is more than a day ago, so the memory of the rule ends here.
        story.add("imagepull_duration_seconds_count", lambda now: int(now >= 20 * 3600), node="n9",
                  registry="reg.example")
        self.pages(story, before=(25 * 60, 25 * 60 + 5), at=(25 * 60 + 8, 25 * 60 + 50))


class Agents(unittest.TestCase):
    AGENTS = f'alertname=~"{OF_AGENTS}"'

    def test_40_agents_that_are_rolled_one_every_30_seconds_are_no_alert(self):
        story = Story()
        for n in range(40):
            at = 270 + 30 * n
            for name, labels in (("up", {"job": "imagepull-exporter"}),
                                 ("imagepull_source_up", {"job": "imagepull-exporter", "source": "pods"}),
                                 ("imagepull_source_up", {"job": "imagepull-exporter", "source": "cri"})):
                story.add(name, lambda now, at=at: int(now < at), 0, at + 30, node=f"n{n}", instance="old", **labels)
                story.add(name, 1, at + 30, node=f"n{n}", instance="new", **labels)
        story.silent(range(1, 59, 2), self.AGENTS)
        story.run()

    def test_a_bad_tag_that_is_undone_after_31_seconds_is_no_alert(self):
        story = Story(0.5)
        for name, labels in (("up", {"job": "imagepull-exporter"}),
                             ("imagepull_source_up", {"job": "imagepull-exporter", "source": "pods"})):
            story.add(name, 0, 0, 31, node="n1", instance="10.0.0.1:9917", **labels)
            story.add(name, 1, 31, node="n1", instance="10.0.0.2:9917", **labels)
        story.silent(range(1, 29), self.AGENTS)
        story.run()

    def test_an_agent_that_never_answered_is_an_alert(self):
        story = Story(0.5)
        story.add("up", 0, job="imagepull-exporter", node="n1", instance="10.0.0.1:9917")
        story.expect_firing(11, names("ImagePullExporterDown"), of='alertname="ImagePullExporterDown"', by="alertname")
        story.run()

    def test_a_node_whose_agent_never_started_is_an_alert(self):
        story = Story(2)
        for n in range(10):
            story.add("kube_node_info", 1, node=f"n{n}")
        for n in range(9):
            story.add("up", 1, job="imagepull-exporter", node=f"n{n}", instance=f"10.0.0.{n}:9917")
        story.expect_firing(90, names("ImagePullExporterMissing"), of=self.AGENTS, by="alertname")
        story.run()

    def test_nodes_that_come_and_go_are_no_alert(self):
        """A new node every 3 minutes; its agent is there 4 minutes later, so some node never has one yet."""
        story = Story(2)
        story.add("kube_node_info", 1, node="old")
        story.add("up", 1, job="imagepull-exporter", node="old")
        for n in range(40):
            begin, end = 180 * n, 180 * n + 1800
            story.add("kube_node_info", 1, begin, end, node=f"spot{n}")
            story.add("up", 1, begin + 240, end, job="imagepull-exporter", node=f"spot{n}")
        story.silent(range(1, 119, 3), self.AGENTS)
        story.run()


class OverriddenLabels(unittest.TestCase):
    """A Prometheus that overrides honorLabels: `namespace`, `pod` and `container` are those of the agent."""

    def test_the_rules_of_the_component_name_the_blocked_pods(self):
        story = Story()
        for node in (1, 2):
            for n in range(10):
                story.blocked(f"n{node}", "imagepull-exporter", f"imagepull-exporter-{node}xyz", "not_found",
                              "manifest_unknown", 0, exported_namespace="prod", exported_pod=f"web-{node}-{n}",
                              exported_container="app")
        alert = {"alertname": "ImageNotFound", "exported_namespace": "prod"}
        story.expect_firing(10, alert, by="alertname,exported_namespace")
        story.expect(10, 'count(container:imagepull_blocked:age_seconds{exported_pod=~"web-.*"})', ({}, 20))
        with tempfile.TemporaryDirectory() as folder:
            rules = []
            for name in ("containers", "exporter", "registries"):
                with open(os.path.join(DEPLOY, "kustomize", "components", "user-workload-monitoring",
                                       name + ".prometheusrule.yaml")) as source:
                    spec = yaml.safe_load(source)["spec"]
                rules.append(os.path.join(folder, name + ".rules.yaml"))
                with open(rules[-1], "w") as out:
                    yaml.safe_dump(spec, out)
                for group in spec["groups"]:
                    for rule in group["rules"]:
                        for label in ("namespace", "pod", "container"):
                            self.assertNotRegex(rule["expr"], rf"[(, ]{label}[,)]", rule.get("alert"))
            story.run(rules)


if __name__ == "__main__":
    unittest.main()
