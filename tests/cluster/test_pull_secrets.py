# SPDX-License-Identifier: Apache-2.0
"""Missing, wrong, several and repaired pull Secrets, in pods and in ServiceAccounts, in front of a private registry."""

from case import time_of, wait_for
from pull_secrets import RIGHT, WRONG, OnPullSecrets, config, login

import truth

# pod: the Secrets that it names, the reason, the Secrets that are missing
UNAUTHORIZED = {
    "no-secret": ((), "no_credentials", ()),
    "missing": (("absent",), "pull_secret_missing", ("absent",)),
    "two-missing": (("absent", "gone"), "pull_secret_missing", ("absent", "gone")),
    "wrong": (("wrong",), "bad_credentials", ()),
    "other-registry": (("other",), "no_credentials", ()),
    "missing-and-other": (("absent", "other"), "pull_secret_missing", ("absent",)),
    "two-wrong": (("wrong", "wrong-too"), "bad_credentials", ()),
    "wrong-and-empty": (("wrong", "empty"), "bad_credentials", ()),
}
RUNS = {
    "right": ("right",),
    "wrong-then-right": ("wrong", "right"),
    "right-then-wrong": ("right", "wrong"),
    "missing-then-right": ("absent", "right"),
}


class PullSecrets(OnPullSecrets):
    @classmethod
    def prepare(cls):
        cls.create_login("right")
        cls.create_login("wrong", WRONG)
        cls.create_login("wrong-too", "guessed again")
        cls.create_login("other", key="registry.example.com")
        cls.create_secret(cls.team, "empty", config({cls.host: {}}))
        cls.create_login("repaired", WRONG)
        for pod in ("repaired", "created", "created-wrong"):
            cls.create_puller(pod, pod)
        for account, secrets in (("late", ()), ("wrong", ("wrong",)), ("right", ("right",)), ("missing", ("absent",))):
            cls.create_account(account, *secrets)
            cls.create_puller("account-" + account, serviceAccountName=account)
        cls.create_puller("account-and-own", "other", serviceAccountName="right")
        for pod, (secrets, _, _) in UNAUTHORIZED.items():
            cls.create_puller(pod, *secrets)
        cls.create_puller("missing-and-wrong", "absent", "wrong")
        cls.create_puller("missing-no-tag", "absent", image=cls.bad("no-such-tag"))
        cls.create_puller("missing-and-busy", "absent", image=cls.bad("busy"))
        for pod, secrets in RUNS.items():
            cls.create_puller(pod, *secrets)
        cls.create_puller("missing-public", "absent", image=cls.works())
        cls.change()

    @classmethod
    def change(cls):
        """The Secrets and ServiceAccounts change when the pods have failed."""
        before = {pod: cls.eventually_failed(pod) for pod in ("repaired", "created", "created-wrong", "account-late")}
        cls.before = {pod: failure["attempts"] for pod, failure in before.items()}
        cls.change_secret("repaired", config({cls.host: login(RIGHT)}))
        cls.create_login("created")
        cls.create_login("created-wrong", WRONG)
        cls.api.patch("serviceaccounts", "late", {"imagePullSecrets": [{"name": "right"}]}, cls.team)
        wait_for(cls.admission_knows_the_change, "the API server knows the changed ServiceAccount")
        cls.create_puller("account-late-new", serviceAccountName="late")
        cls.promises = cls.next_retries(cls.team, UNAUTHORIZED)

    @classmethod
    def admission_knows_the_change(cls):
        """The API server copies the Secrets into a new pod from a cache, which can be behind. Nothing is created."""
        pod = cls.api.call("POST", cls.api.path("pods", cls.team) + "?dryRun=All", {
            "metadata": {"name": "never"},
            "spec": {"serviceAccountName": "late", "containers": [{"name": "app", "image": cls.works()}]}})
        return "imagePullSecrets" in pod["spec"]

    # --- what is wrong ---

    def test_the_reason_and_the_secrets_are_named(self):
        for pod, (secrets, reason, missing) in UNAUTHORIZED.items():
            self.shown(pod, reason, pull_secrets=list(secrets), missing_pull_secrets=list(missing))
        advice = {pod: self.failure(self.team, pod)["advice"] for pod in UNAUTHORIZED}
        self.assertIn("the pod has no imagePullSecrets", advice["no-secret"])
        self.assertIn('The pull Secret "absent"', advice["missing"])
        self.assertIn(f"the pull Secret is for {self.host}", advice["wrong"])
        self.assertIn("none of the pod's imagePullSecrets is for this registry", advice["other-registry"])

    def test_one_right_secret_is_enough(self):
        self.eventually_runs(self.team, "missing-public", *RUNS)
        self.assertEqual([self.failure(self.team, pod) for pod in ("missing-public", *RUNS)], [None] * 5)

    def test_several_refused_logins_are_one_attempt(self):
        """The kubelet tries them without a pause. Its message has equal errors once, and a list of different ones."""
        equal, different = self.eventually_failed("two-wrong"), self.eventually_failed("wrong-and-empty")
        self.assertEqual(equal["message"].count("failed to pull and unpack"), 1, equal["message"])
        self.assertRegex(different["message"], r"(^|: )\[failed to pull and unpack .*, failed to pull and unpack .*\]$")
        for pod in ("two-wrong", "wrong-and-empty"):
            self.assertEqual(len(self.agent.failures_of(self.team, pod)), 1)

    def test_a_missing_secret_does_not_explain_another_error(self):
        self.eventually_shown(self.team, "missing-no-tag", cause="not_found", missing_pull_secrets=["absent"])
        self.eventually_shown(self.team, "missing-and-busy", cause="rate_limited", reason="too_many_requests",
                              missing_pull_secrets=["absent"])
        for pod in ("missing-no-tag", "missing-and-busy"):
            self.assertNotIn("Secret", self.failure(self.team, pod)["advice"])

    def test_a_refused_login_is_said_beside_a_missing_secret(self):
        failure = self.eventually_shown(self.team, "missing-and-wrong", missing_pull_secrets=["absent"])
        self.assertEqual(failure["reason"], "bad_credentials")

    # --- changes ---

    def assert_recovers(self, pod, reason):
        """The next attempt after the change works. The agent shows it between the end of the pull and the new status."""
        self.eventually_runs(self.team, pod)
        ended = self.shown(pod, reason, state="recovered", next_retry=None)
        pulled = wait_for(lambda: self.events(pod, "Pulled") or False, f"the Event of {pod}")
        self.assertEqual(len(pulled), 1)
        self.assertGreater(time_of(ended["ended"]), time_of(pulled[0]["lastTimestamp"]) - truth.TOLERANCE_SECONDS)
        self.assertLess(time_of(ended["ended"]), self.written(pod) + truth.TOLERANCE_SECONDS)
        failed_on_its_way = 1  # an attempt that began before the kubelet knew of the change
        self.assertLessEqual(ended["attempts"], self.before[pod] + failed_on_its_way)

    def events(self, pod, reason):
        return [event for event in self.api.list("events", self.team)
                if event["involvedObject"]["name"] == pod and event["reason"] == reason]

    def written(self, pod):
        """When the kubelet wrote the status."""
        return next(time_of(fields["time"]) for fields in self.pod(self.team, pod)["metadata"]["managedFields"]
                    if fields["manager"] == "kubelet")

    def test_a_repaired_secret_helps_at_the_next_attempt(self):
        self.assert_recovers("repaired", "bad_credentials")

    def test_a_secret_that_is_created_helps_at_the_next_attempt(self):
        self.assert_recovers("created", "pull_secret_missing")

    def test_a_secret_that_is_created_with_a_wrong_password_is_not_missing(self):
        failure = self.eventually_failed("created-wrong", self.before["created-wrong"] + 1, "401")
        self.assertEqual(failure["reason"], "bad_credentials")

    # --- ServiceAccounts ---

    def test_secrets_of_a_service_account_are_those_of_its_new_pods(self):
        self.shown("account-wrong", "bad_credentials", pull_secrets=["wrong"])
        self.shown("account-missing", "pull_secret_missing", pull_secrets=["absent"], missing_pull_secrets=["absent"])
        self.eventually_runs(self.team, "account-right")

    def test_secrets_of_a_service_account_are_not_added_to_those_of_a_pod(self):
        self.shown("account-and-own", "no_credentials", pull_secrets=["other"])

    def test_a_service_account_that_is_repaired_helps_only_new_pods(self):
        self.eventually_runs(self.team, "account-late-new")
        self.eventually_failed("account-late", self.before["account-late"] + 1)
        self.shown("account-late", "no_credentials", pull_secrets=[])

    def test_advice_says_that_a_service_account_helps_only_new_pods(self):
        advice = self.shown("no-secret", "no_credentials")["advice"]
        self.assertRegex(advice, "recreate|re-create|create.* again|delete the pod|new pod")

    # --- the same name in two namespaces ---

    def test_a_namespace_has_its_own_secrets(self):
        right, wrong = self.namespace("right"), self.namespace("wrong")
        self.create_login("registry", namespace=right)
        self.create_login("registry", WRONG, namespace=wrong)
        for namespace in (right, wrong):
            self.create_puller("web", "registry", namespace=namespace)
        self.eventually_shown(wrong, "web", reason="bad_credentials", pull_secrets=["registry"])
        self.eventually_runs(right, "web")
        self.assertIsNone(self.failure(right, "web"))
        self.assert_true_to_kubelet(wrong)

    # --- numbers ---

    def test_the_kubelet_says_the_same_and_tries_when_the_agent_says(self):
        self.assert_next_retries_come_true(self.promises)
        self.assert_true_to_kubelet(self.team)
