# SPDX-License-Identifier: Apache-2.0
"""Pods that a Deployment, a StatefulSet, a Job or a CronJob makes, replaces and deletes while their pulls fail."""

from case import OnACluster, wait_for

ANY_RUNTIME = True


def template(image, labels, **spec):
    """The pod template of a controller."""
    return {"metadata": {"labels": labels}, "spec": {
        "terminationGracePeriodSeconds": 1, "containers": [{"name": "app", "image": image}], **spec}}


class Controllers(OnACluster):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.jobs = cls.namespace("jobs")
        cls.api.create("batch/v1/cronjobs", {"metadata": {"name": "report"}, "spec": {
            "schedule": "* * * * *", "concurrencyPolicy": "Forbid", "jobTemplate": {"spec": {
                "template": template(cls.bad("no-such-name"), {"app": "report"}, restartPolicy="Never")}}}}, cls.jobs)

    # --- words ---

    def pods(self, namespace):
        """{name: uid} of the pods that are not being deleted."""
        return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in self.api.list("pods", namespace)
                if "deletionTimestamp" not in pod["metadata"]}

    def pod_of_job(self, job):
        """The uid of the pod of a Job, as soon as it has one."""
        def found():
            uids = [pod["metadata"]["uid"] for pod in self.api.list("pods", self.jobs)
                    if pod["metadata"]["labels"].get("job-name") == job]
            return uids[0] if uids else False

        return wait_for(found, f"Job {job} has a pod")

    def incident(self, namespace, uid):
        """The only incident about a pod."""
        found = [failure for failure in self.agent.failures_of(namespace) if failure["pod_uid"] == uid]
        self.assertEqual(len(found), 1, f"{len(found)} incidents about {uid}")
        return found[0]

    def eventually_is(self, namespace, uid, attempts=1, **wanted):
        def shown():
            failure = self.incident(namespace, uid)
            self.assertEqual({field: failure[field] for field in wanted}, wanted)
            self.assertGreaterEqual(failure["attempts"], attempts)

        wait_for(shown, f"{namespace}/{uid} is shown with {wanted}")

    def eventually_true(self, namespace):
        self.assert_true_to_kubelet(namespace)
        self.assert_counters_true_to_kubelet()

    # --- Deployment ---

    def test_a_rollout_to_a_bad_tag_and_back(self):
        namespace = self.namespace("shop")
        self.api.create("apps/v1/deployments", {"metadata": {"name": "web"}, "spec": {
            "replicas": 2, "selector": {"matchLabels": {"app": "web"}},
            "template": template(self.works(), {"app": "web"})}}, namespace)
        wait_for(lambda: len(self.pods(namespace)) == 2, "two pods")
        before = self.pods(namespace)
        self.eventually_runs(namespace, *before)

        bad = self.cluster.open.image("lab/pause", "v2.0-rc1")
        self.cluster.kubectl("set", "image", "deployment/web", f"app={bad}", f"--namespace={namespace}")
        uid = wait_for(lambda: next((uid for name, uid in self.pods(namespace).items() if name not in before), False),
                       "a pod with the bad tag")
        self.eventually_is(namespace, uid, attempts=2, cause="not_found", image=bad, kind="container", ended=None)
        self.eventually_blocked(namespace, 1)
        self.eventually_true(namespace)

        self.cluster.kubectl("rollout", "undo", "deployment/web", f"--namespace={namespace}")
        self.eventually_is(namespace, uid, attempts=2, state="gone")
        self.assertIsNotNone(self.incident(namespace, uid)["ended"])
        self.eventually_blocked(namespace, 0)
        wait_for(lambda: self.pods(namespace) == before, "the pods of before, and no other")
        self.eventually_true(namespace)
        self.assertEqual([failure["pod_uid"] for failure in self.agent.failures_of(namespace)], [uid])

    # --- StatefulSet ---

    def test_pods_that_are_replaced_under_one_name(self):
        namespace = self.namespace("databases")
        self.api.create("apps/v1/statefulsets", {"metadata": {"name": "db"}, "spec": {
            "replicas": 2, "podManagementPolicy": "Parallel", "serviceName": "db",
            "selector": {"matchLabels": {"app": "db"}}, "template": template(self.bad("forbidden"), {"app": "db"})}},
            namespace)
        replaced = []
        for attempts in (2, 1, 1):
            pods = self.two_other_pods(namespace, replaced)
            for uid in pods.values():
                self.eventually_is(namespace, uid, attempts, cause="unauthorized", ended=None)
            self.assert_true_to_kubelet(namespace)
            for name in pods:
                self.api.delete("pods", name, namespace)
            replaced += pods.values()
        for uid in self.two_other_pods(namespace, replaced).values():
            self.eventually_is(namespace, uid, cause="unauthorized", ended=None)
        for uid in replaced:
            self.eventually_is(namespace, uid, state="gone")
        self.eventually_blocked(namespace, 2)
        self.eventually_true(namespace)
        self.assertEqual(len(self.agent.failures_of(namespace)), 8)

    def two_other_pods(self, namespace, replaced):
        """{name: uid} of db-0 and db-1 when both are new."""
        def found():
            pods = self.pods(namespace)
            return pods if len(pods) == 2 and not set(pods.values()) & set(replaced) else False

        return wait_for(found, "two new pods")

    # --- Job and CronJob ---

    def create_job(self, name):
        """As `kubectl create job NAME --from=cronjob/report`. Returns the pod's uid."""
        self.cluster.kubectl("create", "job", name, "--from=cronjob/report", f"--namespace={self.jobs}")
        return self.pod_of_job(name)

    def test_jobs_of_a_cron_job(self):
        uids = {name: self.create_job(name) for name in ("deleted", "too-slow", "kept")}
        for uid in uids.values():
            self.eventually_is(self.jobs, uid, attempts=2, cause="not_found", ended=None)
        self.assert_true_to_kubelet(self.jobs)
        self.cluster.kubectl("delete", "job", "deleted", f"--namespace={self.jobs}")
        # The Job's controller deletes the pod, as the deadline has passed already.
        self.api.patch("batch/v1/jobs", "too-slow", {"spec": {"activeDeadlineSeconds": 1}}, self.jobs)
        for name in ("deleted", "too-slow"):
            self.eventually_is(self.jobs, uids[name], state="gone")
        self.assertIsNone(self.incident(self.jobs, uids["kept"])["ended"])

        scheduled = self.scheduled_pod()
        self.eventually_is(self.jobs, scheduled, cause="not_found", ended=None)
        self.eventually_blocked(self.jobs, 2)
        self.cluster.kubectl("delete", "cronjob", "report", f"--namespace={self.jobs}")
        for uid in (uids["kept"], scheduled):
            self.eventually_is(self.jobs, uid, state="gone")
        self.eventually_blocked(self.jobs, 0)
        self.eventually_true(self.jobs)

    def scheduled_pod(self):
        """The uid of the pod that the CronJob made itself."""
        def job():
            return next((job["metadata"]["name"] for job in self.api.list("batch/v1/jobs", self.jobs)
                         if "cronjob.kubernetes.io/instantiate" not in job["metadata"].get("annotations", {})), False)

        return self.pod_of_job(wait_for(job, "the CronJob makes a Job"))

    def test_a_pod_whose_own_deadline_passes(self):
        """The kubelet ends it. Its object stays, with phase Failed."""
        namespace = self.namespace("deadline")
        self.create_pod(namespace, "late", self.bad("busy"), activeDeadlineSeconds=20, restartPolicy="Never")
        self.eventually_shown(namespace, "late", cause="rate_limited", ended=None)
        self.eventually_shown(namespace, "late", cause="rate_limited", state="gone")
        self.assertEqual(self.pod(namespace, "late")["status"]["phase"], "Failed")
        self.eventually_blocked(namespace, 0)
        self.eventually_true(namespace)
