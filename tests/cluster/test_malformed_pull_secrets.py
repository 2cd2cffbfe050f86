# SPDX-License-Identifier: Apache-2.0
"""
Pull Secrets that the kubelet cannot read. It tries no pull for any container of the pod then, and puts the error of its
decoder into the status where a reason should be.
"""

import itertools
import json
import time

from case import wait_for
from pull_secrets import RIGHT, WRONG, OnPullSecrets, config, encoded, login

import kubelet_log
import truth


def malformed(host):
    """{pod: (content of its Secret, part of the kubelet's error)}"""
    not_base64 = config({host: {"auth": "lab:" + RIGHT}})
    return {
        "not-base64": (not_base64, "illegal base64 data"),
        "not-filled-in": (config({host: {"auth": "<no value>"}}), "illegal base64 data"),
        "no-colon": (config({host: {"auth": encoded("lab")}}), "unable to parse auth field"),
        "encoded-twice": (config({host: {"auth": encoded(encoded("lab:" + RIGHT))}}), "unable to parse auth field"),
        "list": (json.dumps({"auths": [host]}), "json: cannot unmarshal array"),
        "text": (config({host: "lab:" + RIGHT}), "json: cannot unmarshal string"),
        "number": (config({host: {"username": "lab", "password": 1234}}), "json: cannot unmarshal number"),
        "of-another-registry": (config({host: login(RIGHT), "registry.example.com": {"auth": "?"}}), "illegal base64"),
    }


class MalformedPullSecrets(OnPullSecrets):
    @classmethod
    def prepare(cls):
        cls.malformed = malformed(cls.host)
        cls.create_login("right")
        for pod, (content, _) in cls.malformed.items():
            cls.create_secret(cls.team, pod, content)
            cls.create_puller(pod, pod)
        cls.create_puller("beside-a-right-one", "right", "not-base64")
        cls.create_puller("public", "not-base64", image=cls.cluster.open.image("lab/big", "1"))
        cls.create_puller("puller", image=cls.works())
        cls.create_account("malformed", "not-base64")
        cls.create_puller("account", serviceAccountName="malformed")
        cls.blocked = {**cls.malformed, **dict.fromkeys(
            ("beside-a-right-one", "public", "account"), cls.malformed["not-base64"])}
        cls.named = {**{pod: [pod] for pod in cls.malformed}, "beside-a-right-one": ["right", "not-base64"],
                       "public": ["not-base64"], "account": ["not-base64"]}
        cls.create_secret(cls.team, "repaired", cls.malformed["not-base64"][0])
        cls.create_puller("repaired", "repaired")
        for pod in ("repaired-badly", "still-waits"):
            cls.create_login(pod, WRONG)
            cls.create_puller(pod, pod)
        cls.change()

    @classmethod
    def change(cls):
        cls.eventually_failed("repaired-badly")
        cls.change_secret("repaired-badly", cls.malformed["not-base64"][0])
        cls.eventually_says("repaired", "illegal base64 data")
        cls.change_secret("repaired", config({cls.host: login(RIGHT)}))
        cls.eventually_runs(cls.team, "puller")
        for policy in ("IfNotPresent", "Never"):
            cls.create_puller("present-" + policy.lower(), "not-base64", image=cls.works(), policy=policy)
        cls.eventually_failed("still-waits")
        while not cls.is_malformed_during_a_back_off("still-waits"):
            pass  # the next back-off is longer

    @classmethod
    def is_malformed_during_a_back_off(cls, pod):
        """Its Secret becomes malformed and is repaired. Whether that was between two attempts."""
        attempts = cls.attempts(pod)
        cls.change_secret(pod, cls.malformed["not-base64"][0])
        cls.eventually_says(pod, "illegal base64 data", at_once=True)
        cls.eventually_read(pod, "illegal base64 data")
        cls.change_secret(pod, config({cls.host: login(WRONG)}))
        cls.eventually_says(pod, "ImagePullBackOff", at_once=True)
        return cls.attempts(pod) == attempts

    @classmethod
    def attempts(cls, pod):
        """When the kubelet tried to pull, from its log."""
        uid = cls.pod(cls.team, pod)["metadata"]["uid"]
        return kubelet_log.failures(cls.cluster.kubelet.log())[uid, "app"].attempts

    @classmethod
    def waiting(cls, pod):
        """The state "waiting" of its container."""
        statuses = cls.pod(cls.team, pod)["status"].get("containerStatuses", [{}])
        return statuses[0].get("state", {}).get("waiting", {})

    @classmethod
    def eventually_says(cls, pod, reason, at_once=False):
        """Wait until this is in the reason of the status. `at_once`: make the kubelet look at the pod every second."""
        asked = itertools.count()

        def says():
            if at_once:
                cls.api.patch("pods", pod, {"metadata": {"annotations": {"look": str(next(asked) // 10)}}}, cls.team)
            return reason in cls.waiting(pod).get("reason", "")

        wait_for(says, f"{pod}: {reason}")

    @classmethod
    def eventually_read(cls, pod, reason):
        """Wait until the agent has read a status with this reason a moment ago."""
        def read():
            seen = json.loads(cls.agent.get("/debug/events")[1])["events"]
            return any(o["kind"] == "pod" and o["pod"] == pod and reason in (o["text"] or "") for o in seen)

        wait_for(read, f"the agent has read {reason} of {pod}")

    # --- the kubelet ---

    def test_the_kubelet_tries_no_pull(self):
        for pod, (_, error) in self.blocked.items():
            self.eventually_says(pod, error)
            waiting = self.waiting(pod)
            self.assertEqual(waiting["reason"], waiting["message"])
            reasons = {event["reason"] for event in self.api.list("events", self.team)
                       if event["involvedObject"]["name"] == pod and event["source"].get("component") == "kubelet"}
            self.assertEqual(reasons, {"Failed"})

    def test_an_image_that_anybody_may_use_needs_no_secret(self):
        self.eventually_runs(self.team, "present-ifnotpresent", "present-never")

    def test_a_repaired_secret_helps(self):
        self.eventually_runs(self.team, "repaired")
        wait_for(lambda: self.assertFalse({"failing", "backing_off"} & {
            failure["state"] for failure in self.agent.failures_of(self.team, "repaired")}), "nothing is blocked")

    # --- the agent ---

    def eventually_malformed(self, pod, **wanted):
        return self.eventually_shown(self.team, pod, cause="config", reason="pull_secret_malformed", **wanted)

    def test_a_malformed_secret_is_named(self):
        for pod, (_, error) in self.blocked.items():
            self.eventually_says(pod, error)
            failure = self.eventually_malformed(pod, pull_secrets=self.named[pod])
            self.assertIn(f'"{self.named[pod][-1]}"', failure["advice"])

    def test_a_container_that_waits_for_a_malformed_secret_is_not_pulling(self):
        self.eventually_says("public", "illegal base64 data")
        self.eventually_runs(self.team, "puller", "present-never")
        self.eventually_polled()
        wait_for(lambda: self.assertEqual(self.agent.metrics().find(
            "imagepull_in_progress", registry=self.cluster.open.host), []), "nothing is in progress")

    def eventually_polled(self):
        """Wait until the agent has asked the runtime for images since now."""
        for _ in range(2):  # the first answer can be to an older question
            now = time.time()
            wait_for(lambda now=now: self.agent.metrics().value(
                "imagepull_source_last_success_timestamp_seconds", source="cri") > now, "a poll of the runtime")

    def test_a_secret_that_is_repaired_badly_is_named(self):
        self.eventually_says("repaired-badly", "illegal base64 data")
        self.eventually_malformed("repaired-badly", next_retry=None)

    def test_a_back_off_after_a_malformed_secret_is_no_attempt(self):
        """The kubelet can read the Secret again and still waits."""
        wait_for(lambda: self.attempts("still-waits")[-1] + truth.TOLERANCE_SECONDS < time.time(), "no new attempt")
        self.assertEqual(self.failure(self.team, "still-waits")["attempts"], len(self.attempts("still-waits")))
