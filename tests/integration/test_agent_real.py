# SPDX-License-Identifier: Apache-2.0
"""The agent with a real runtime: it pulls from registries, a kubelet reports, the agent explains."""

import json
import unittest

import support
from api_auth import AGENT_USER
from demo_pods import pull_secret
from images import pause_image
from lab import Lab

SPEED = 20


class OnALab(unittest.TestCase):
    """Each class has a lab and an agent."""

    lab_options = {}
    # More registries than a node has, so that no test's registry becomes "other".
    agent_options = ("--metrics.max-registries=100",)

    @classmethod
    def setUpClass(cls):
        cls.lab = cls.enterClassContext(Lab(speed=SPEED, **cls.lab_options))
        cls.agent = support.start_agent(cls, [*cls.lab.agent_flags(), *cls.agent_options])
        cls.agent.wait_ready()

    def create(self, name, image, secret=None, **more):
        """Create a pod with one container 'app' (`more` is for its spec; app=... for the container)."""
        app = {"name": "app", "image": image, **more.pop("app", {})}
        spec = {"nodeName": self.lab.node, "containers": [app], **more}
        if secret:
            spec["imagePullSecrets"] = [{"name": secret}]
        self.lab.api.create("pods", {"metadata": {"name": name}, "spec": spec})

    def delete_and_wait(self, name):
        """The pod's labels and values in the agent's metrics."""
        self.lab.api.delete("pods", name)
        support.wait_for(lambda: not self.agent.metrics().find("imagepull_container_blocked_info", pod=name),
                         f"{name} is gone")

    def phase(self, name):
        return self.lab.api.get("pods", name)["status"]["phase"]

    def eventually_runs(self, name):
        support.wait_for(lambda: self.phase(name) == "Running", f"{name} runs")

    def eventually_fails_with(self, pod, container="app", **wanted):
        def shown():
            failure = self.agent.failures().get((pod, container))
            self.assertIsNotNone(failure, f"{pod}/{container} is not shown")
            self.assertEqual({field: failure[field] for field in wanted}, wanted)
            return failure

        return support.wait_for(shown, f"{pod} fails with {wanted}")

    def private_image(self):
        return self.lab.private.image("lab/pause", "1")

    def assert_only_allowed_requests(self):
        entries = [e for e in self.lab.api.requests() if e["user"] == AGENT_USER]
        self.assertTrue(entries)
        self.assertEqual([e for e in self.lab.api.requests() if e["user"] != AGENT_USER], [])
        for entry in entries:
            self.assertEqual((entry["method"], entry["status"]), ("GET", 200), entry)
            self.assertTrue(entry["user_agent"].startswith("imagepull-exporter/"), entry)
            self.assertTrue(entry["accept"].startswith("application/vnd.kubernetes.protobuf"), entry)
            self.assertEqual(entry["protocol"], "HTTP/2")
            if entry["path"] == "/api/v1/pods":
                self.assertEqual(entry["query"]["fieldSelector"], support.POD_SELECTOR.format(self.lab.node))
            else:
                self.assertEqual(entry["path"], "/api/v1/namespaces/default/events")
        return entries


class HealthyNode(OnALab):
    def test_nothing_is_blocked_and_no_events_are_read(self):
        works = self.lab.open.image("lab/pause", "1")
        self.lab.api.create("secrets", pull_secret("regcred", self.lab.private.host, "correct-horse"))
        # One after the other: a pod that has no sandbox for a minute is not healthy.
        self.create("plain", works)
        self.eventually_runs("plain")
        self.create("big", self.lab.open.image("lab/big", "1"))
        self.eventually_runs("big")
        self.create("private", self.private_image(), "regcred")
        self.eventually_runs("private")
        self.create("with-init", works, initContainers=[
            {"name": "once", "image": works, "args": ["end"]},
            {"name": "side", "image": works, "restartPolicy": "Always"}])
        self.eventually_runs("with-init")
        support.wait_for(lambda: 0 not in [s.value for s in self.agent.metrics().find("imagepull_source_up")],
                         "every source is up")
        metrics = self.agent.metrics()
        self.assertFalse(metrics.value("imagepull_blocked_containers"))
        self.assertFalse(metrics.value("imagepull_failures_total"))
        self.assertEqual(self.agent.failures(), {})
        runtime, = metrics.find("imagepull_runtime_info")
        self.assertEqual(runtime.labels["runtime"], "containerd")
        self.assertTrue(runtime.labels["version"].startswith("1."))
        # One watch of pods and nothing else: no list, because the server streams it, and no events.
        request, = self.assert_only_allowed_requests()
        self.assertEqual(request["query"]["watch"] in ("1", "true"), True)


class Failures(OnALab):
    """Pods that fail in ways that the runtime notices at once."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lab.api.create("secrets", pull_secret("old-password", cls.lab.private.host, "guessed"))

    def image_at(self, endpoint):
        return self.lab.endpoints[endpoint] + "/team/app:v1"

    def test_each_endpoint_has_its_cause(self):
        causes = {
            "no-challenge": ("unauthorized", None), "forbidden": ("unauthorized", "forbidden"),
            "no-such-tag": ("not_found", None), "no-such-name": ("not_found", None),
            "busy": ("rate_limited", "too_many_requests"), "broken": ("registry_error", "server_error"),
            "bad-gateway": ("registry_error", "bad_gateway"), "down": ("registry_error", "service_unavailable"),
            "slow-gateway": ("registry_error", "gateway_timeout"), "closes": ("network", "unexpected_eof"),
            "token-broken": ("registry_error", "server_error"), "bad-digest": ("bad_image", "digest_mismatch"),
            "other-platform": ("bad_image", "platform_mismatch"), "untrusted": ("network", "tls_unknown_authority"),
            "speaks-http": ("network", "http_to_https"), "refused": ("network", "connect_refused"),
        }
        for endpoint in causes:
            self.create("at-" + endpoint, self.image_at(endpoint))
        for endpoint, (cause, reason) in causes.items():
            with self.subTest(endpoint=endpoint):
                wanted = {"cause": cause, "registry": self.lab.endpoints[endpoint], "kind": "container",
                          "image": self.image_at(endpoint), **({"reason": reason} if reason else {})}
                failure = self.eventually_fails_with("at-" + endpoint, **wanted)
                info, = self.agent.metrics().find("imagepull_container_blocked_info", pod="at-" + endpoint)
                self.assertEqual((info.labels["cause"], info.labels["reason"], info.labels["registry"]),
                                 (cause, failure["reason"], self.lab.endpoints[endpoint]))

    def test_names_that_do_not_resolve(self):
        self.create("no-such-host", "registry.nope.invalid/team/app:v1")
        self.create("dns-broken", "servfail.invalid/team/app:v1")
        self.eventually_fails_with("no-such-host", cause="network", reason="dns_not_found")
        self.eventually_fails_with("dns-broken", cause="network", reason="dns_failure")

    def test_invalid_image_names_and_missing_platforms(self):
        self.create("never", self.lab.open.image("lab/never", "1"), app={"imagePullPolicy": "Never"})
        self.create("invalid", "registry.example.com/Team/App:::1")
        self.eventually_fails_with("never", cause="config", reason="never_pull", attempts=1)
        self.eventually_fails_with("invalid", cause="config", reason="invalid_reference", registry="invalid",
                                   attempts=1)

    def test_init_containers_sidecars_and_image_volumes(self):
        works, missing = self.lab.open.image("lab/pause", "1"), self.image_at("no-such-tag")
        self.create("init-fails", works, initContainers=[{"name": "setup", "image": missing}])
        self.create("side-fails", works, initContainers=[{"name": "side", "image": missing,
                                                          "restartPolicy": "Always"}])
        self.create("volume-fails", works, volumes=[{"name": "v", "image": {"reference": missing}}],
                    app={"volumeMounts": [{"name": "v", "mountPath": "/m"}]})
        for pod, container, kind in (("init-fails", "setup", "init"), ("side-fails", "side", "sidecar"),
                                     ("volume-fails", "app", "image_volume")):
            self.eventually_fails_with(pod, container, kind=kind, cause="not_found", image=missing)
        self.assertNotIn(("init-fails", "app"), self.agent.failures())

    def test_a_secret_that_does_not_exist_is_named(self):
        self.create("no-secret", self.private_image(), "not-there", app={"imagePullPolicy": "Always"})
        self.eventually_fails_with("no-secret", cause="unauthorized",
                                   reason="pull_secret_missing", pull_secrets=["not-there"],
                                   missing_pull_secrets=["not-there"])

    def test_advice_for_a_wrong_password_does_not_ask_for_a_secret(self):
        self.create("wrong-password", self.private_image(), "old-password", app={"imagePullPolicy": "Always"})
        failure = self.eventually_fails_with("wrong-password", cause="unauthorized", pull_secrets=["old-password"])
        self.assertNotEqual(failure["reason"], "no_credentials")
        self.assertNotIn("sent none", failure["advice"])

    def test_attempts_are_counted_once(self):
        """Status and events report the same pulls. Together they must not count more."""
        self.create("counted", self.image_at("down"))

        def agreed():
            events = [e for e in self.lab.api.list("events") if e["involvedObject"]["name"] == "counted"
                      and e["message"].startswith("Failed to pull image")]
            pulls = sum(e["count"] for e in events)
            self.assertGreaterEqual(pulls, 4)
            self.assertEqual(self.agent.failures()[("counted", "app")]["attempts"], pulls)

        support.wait_for(agreed, "attempts are what the events count")

    def test_failures_of_one_pod(self):
        self.create("asked-for", self.image_at("forbidden"))
        self.eventually_fails_with("asked-for", cause="unauthorized")
        status, body = self.agent.get("/debug/failures/default/asked-for")
        answer = json.loads(body)
        self.assertEqual((status, answer["node"], answer["runtime"]["name"]), (200, self.lab.node, "containerd"))
        self.assertEqual([f["pod"] for f in answer["failures"]], ["asked-for"])

    def test_an_agent_that_starts_later_finds_the_same(self):
        self.create("before", self.image_at("busy"))
        self.eventually_fails_with("before", state="backing_off")
        later = support.start_agent(self, self.lab.agent_flags(), "later")
        later.wait_ready()

        def shown():
            failure = later.failures()[("before", "app")]
            self.assertEqual((failure["cause"], failure["reason"]), ("rate_limited", "too_many_requests"))

        support.wait_for(shown, "the later agent knows the cause")

    def test_many_registries_become_other(self):
        endpoints = ("down", "busy", "broken", "forbidden")
        for endpoint in endpoints:
            self.create("many-" + endpoint, self.image_at(endpoint))
            self.eventually_fails_with("many-" + endpoint)
        capped = support.start_agent(self, [*self.lab.agent_flags(), "--metrics.max-registries=2"], "capped")
        capped.wait_ready()

        def capped_well():
            metrics = capped.metrics()
            named = {s.labels["registry"] for s in metrics.find("imagepull_failures_total")}
            self.assertEqual(len(named), 3, named)
            self.assertIn("other", named)
            self.assertGreaterEqual(metrics.value("imagepull_blocked_containers", registry="other"), 2)
            self.assertGreater(sum(s.value for s in metrics.find("imagepull_limit_hits_total")), 0)

        support.wait_for(capped_well, "two registries have names, all others are one")

    def test_the_agent_only_sends_allowed_requests(self):
        self.create("asks", self.image_at("down"))
        self.eventually_fails_with("asks", cause="registry_error")
        support.wait_for(lambda: any("/events" in e["path"] for e in self.assert_only_allowed_requests()),
                         "events of the failing pod's namespace are read")


class Recovery(OnALab):
    def test_repairs_and_deletions_are_seen(self):
        self.lab.api.create("secrets", pull_secret("repaired", self.lab.private.host, "wrong"))
        self.create("password", self.private_image(), "repaired", app={"imagePullPolicy": "Always"})
        self.create("tag", self.lab.open.image("lab/pause", "later"))
        self.create("deleted", self.lab.endpoints["busy"] + "/team/app:v1")
        causes = {"password": "unauthorized", "tag": "not_found", "deleted": "rate_limited"}
        for pod, cause in causes.items():
            self.eventually_fails_with(pod, cause=cause)
        for cause in causes.values():
            self.assertEqual(self.agent.metrics().value("imagepull_blocked_containers", cause=cause), 1)

        self.lab.api.update("secrets", pull_secret("repaired", self.lab.private.host, "correct-horse"))
        with open(self.lab.path("pause"), "rb") as program:
            self.lab.open.push(pause_image(program.read()), "lab/pause", "later")
        self.lab.api.delete("pods", "deleted")

        for pod, state in (("password", "recovered"), ("tag", "recovered"), ("deleted", "gone")):
            failure = self.eventually_fails_with(pod, state=state)
            self.assertIsNotNone(failure["ended"])
        metrics = self.agent.metrics()
        for pod, cause in causes.items():
            self.assertEqual(metrics.find("imagepull_container_blocked_since_timestamp_seconds", pod=pod), [])
            self.assertFalse(metrics.value("imagepull_blocked_containers", cause=cause))
        # Counters do not go back.
        self.assertGreaterEqual(metrics.value("imagepull_failures_total", cause="rate_limited"), 1)

    def test_a_new_image_is_a_new_incident(self):
        self.create("changed", self.lab.endpoints["forbidden"] + "/team/app:v1")
        self.eventually_fails_with("changed", cause="unauthorized")
        pod = self.lab.api.get("pods", "changed")
        pod["spec"]["containers"][0]["image"] = self.lab.endpoints["down"] + "/team/app:v1"
        self.lab.api.update("pods", pod)
        self.addCleanup(self.delete_and_wait, "changed")

        def told_apart():
            answer = json.loads(self.agent.get("/debug/failures/default/changed")[1])["failures"]
            states = {f["cause"]: f["state"] for f in answer}
            self.assertEqual(states.get("unauthorized"), "gone")
            self.assertIn(states.get("registry_error"), ("failing", "backing_off"))

        support.wait_for(told_apart, "the old image's failure is gone, the new one's is shown")


class OldKubelet(OnALab):
    """Before 1.32 the message of the back-off has no cause."""

    lab_options = {"old_messages": True}

    def test_the_cause_is_kept_during_back_off(self):
        self.create("old", self.lab.endpoints["busy"] + "/team/app:v1")
        self.eventually_fails_with("old", state="backing_off", cause="rate_limited", reason="too_many_requests")
        # An agent that starts during the back-off can learn the cause from events only.
        later = support.start_agent(self, self.lab.agent_flags(), "later")
        later.wait_ready()

        def learned():
            failure = later.failures()[("old", "app")]
            self.assertEqual((failure["cause"], failure["reason"]), ("rate_limited", "too_many_requests"))

        support.wait_for(learned, "the later agent learns the cause")


if __name__ == "__main__":
    unittest.main()
