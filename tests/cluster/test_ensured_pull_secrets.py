# SPDX-License-Identifier: Apache-2.0
"""
An image that is on the node because one pod's Secret pulled it. The kubelet does not give it to a pod without that
login: with IfNotPresent it pulls again, with Never it says that the image is not present, which is not true.
"""

from pull_secrets import RIGHT, WRONG, OnPullSecrets

# policy and Secrets of the pods that may use the image without a pull
MAY_USE = {"same-secret": ("right",), "copied-secret": ("copy",), "wrong-and-right": ("wrong", "right")}
MAY_NOT = {"no-secret": (), "wrong-secret": ("wrong",), "missing-secret": ("absent",)}


class EnsuredPullSecrets(OnPullSecrets):
    @classmethod
    def prepare(cls):
        for secret, password in (("right", RIGHT), ("copy", RIGHT), ("wrong", WRONG)):
            cls.create_login(secret, password)
        cls.create_puller("puller", "right")
        cls.eventually_runs(cls.team, "puller")
        for policy, prefix in (("IfNotPresent", "again-"), ("Never", "never-")):
            for pod, secrets in {**MAY_USE, **MAY_NOT}.items():
                cls.create_puller(prefix + pod, *secrets, policy=policy)
        cls.create_puller("never-absent", image=cls.cluster.open.image("lab/absent", "1"), policy="Never")
        cls.create_pod(cls.team, "never-init", initContainers=[
            {"name": "setup", "image": cls.private(), "imagePullPolicy": "Never"}],
            containers=[{"name": "app", "image": cls.works()}])

    def never(self, pod, container="app", **wanted):
        return self.eventually_shown(self.team, pod, container, cause="config", reason="never_pull", state="failing",
                                     next_retry=None, **wanted)

    def test_the_same_login_may_use_the_image(self):
        pods = [prefix + pod for prefix in ("again-", "never-") for pod in MAY_USE]
        self.eventually_runs(self.team, *pods)
        self.assertEqual([self.failure(self.team, pod) for pod in pods], [None] * len(pods))
        pulled = {event["involvedObject"]["name"] for event in self.api.list("events", self.team)
                  if event["reason"] == "Pulling"}
        self.assertEqual(pulled & set(pods), set())

    def test_another_pod_pulls_again_and_is_refused(self):
        for pod, reason, missing in (("no-secret", "no_credentials", []), ("wrong-secret", "bad_credentials", []),
                                     ("missing-secret", "pull_secret_missing", ["absent"])):
            self.shown("again-" + pod, reason, image_present=True, pull_secrets=list(MAY_NOT[pod]),
                       missing_pull_secrets=missing)
        self.assert_true_to_kubelet(self.team)

    def test_another_pod_that_must_not_pull_is_blocked(self):
        for pod, secrets in MAY_NOT.items():
            self.never("never-" + pod, image_present=True, pull_secrets=list(secrets))
        self.never("never-init", "setup", image_present=True, kind="init")
        self.never("never-absent", image_present=False)

    def test_advice_for_an_image_that_is_absent(self):
        self.assertIn("the image is not on the node", self.never("never-absent", image_present=False)["advice"])

    def test_advice_does_not_say_that_a_present_image_is_absent(self):
        for pod, container in (("never-no-secret", "app"), ("never-wrong-secret", "app"), ("never-init", "setup")):
            advice = self.never(pod, container, image_present=True)["advice"]
            self.assertNotIn("the image is not on the node", advice)
            self.assertRegex(advice, "Secret|credentials")

    def test_advice_names_the_missing_secret_that_would_let_it_use_the_image(self):
        advice = self.never("never-missing-secret", image_present=True, missing_pull_secrets=["absent"])["advice"]
        self.assertIn("absent", advice)

    def test_advice_for_a_pull_of_a_present_image_says_why(self):
        self.assertIn("on the node", self.shown("again-no-secret", "no_credentials", image_present=True)["advice"])
