# SPDX-License-Identifier: Apache-2.0
"""Every kind of container, and image volumes: the agent names it, counts its attempts, and sees it recover."""

from case import OnACluster, wait_for

from images import marked_image

KINDS = ("container", "init", "sidecar", "ephemeral", "image_volume")
CONTAINER = {"container": "app", "init": "migrate", "sidecar": "proxy", "ephemeral": "debugger", "image_volume": "app"}
# name of the pods: (registry that misbehaves, cause, reason)
VERDICTS = {"missing": ("no-such-tag", "not_found", "image_not_found"),
            "denied": ("forbidden", "unauthorized", "forbidden"),
            "refused": ("refused", "network", "connect_refused")}


def pod_name(kind, story):
    return f"{kind.replace('_', '-')}-{story}"


def spec_of(kind, image, works):
    """A pod whose container or volume of this kind has `image`. An ephemeral one is added later."""
    app = {"name": "app", "image": image if kind == "container" else works}
    spec = {"containers": [app]}
    if kind == "init":
        spec["initContainers"] = [{"name": "migrate", "image": image, "args": ["end at once"]}]
    elif kind == "sidecar":
        spec["initContainers"] = [{"name": "proxy", "image": image, "restartPolicy": "Always"}]
    elif kind == "image_volume":
        spec["volumes"] = [{"name": "model", "image": {"reference": image}}]
        app["volumeMounts"] = [{"name": "model", "mountPath": "/model"}]
    return spec


class Containers(OnACluster):
    # All pods are created at once. What the kubelet refuses because of its limit of pulls has no image in its message
    # ("pull QPS exceeded"), so that the agent cannot know whether the volume or the container is meant.
    cluster_options = {"kubelet_settings": {"registryPullQPS": 0}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.verdicts, cls.late, cls.changed = (cls.namespace(name) for name in ("verdicts", "late", "changed"))
        cls.late_image = cls.cluster.open.image("late/image", "1")
        stories = {(cls.verdicts, story): cls.bad(endpoint) for story, (endpoint, *_) in VERDICTS.items()}
        stories[cls.late, "late"] = cls.late_image
        for (namespace, story), image in stories.items():
            for kind in KINDS:
                cls.create_pod(namespace, pod_name(kind, story), **spec_of(kind, image, cls.works()))
        for kind in ("container", "init", "sidecar"):
            cls.create_pod(cls.changed, pod_name(kind, "changed"), **spec_of(kind, cls.bad(), cls.works()))
        for (namespace, story), image in stories.items():
            cls.add_ephemeral_container(namespace, pod_name("ephemeral", story), image)

    @classmethod
    def add_ephemeral_container(cls, namespace, name, image):
        """As kubectl debug does it, when the pod runs."""
        cls.eventually_runs(namespace, name)
        cls.api.patch("pods", name, {"spec": {"ephemeralContainers": [{"name": "debugger", "image": image}]}},
                      namespace, "ephemeralcontainers")

    def eventually_tried(self, attempts, namespace, kind, story, **wanted):
        """Wait until the agent shows at least so many attempts of the container."""
        wait_for(lambda: self.eventually_shown(namespace, pod_name(kind, story), CONTAINER[kind], kind=kind, **wanted)[
            "attempts"] >= attempts, f"{attempts} attempts of {pod_name(kind, story)}")

    def test_every_kind_has_the_right_verdict(self):
        for story, (_, cause, reason) in VERDICTS.items():
            for kind in KINDS:
                self.eventually_tried(2, self.verdicts, kind, story, cause=cause, reason=reason,
                                      image=self.bad(VERDICTS[story][0]))
        self.eventually_blocked(self.verdicts, len(VERDICTS) * len(KINDS))
        self.assert_true_to_kubelet(self.verdicts)
        self.assert_counters_true_to_kubelet()

    def test_every_kind_recovers_when_its_image_is_pushed(self):
        for kind in KINDS:
            self.eventually_tried(2, self.late, kind, "late", cause="not_found")
        with open(self.cluster.path("pause"), "rb") as program:
            self.cluster.open.push(marked_image(program.read(), "late"), "late/image", "1")
        for kind in KINDS:
            self.eventually_shown(self.late, pod_name(kind, "late"), CONTAINER[kind], state="recovered")
        self.eventually_blocked(self.late, 0)
        recoveries = self.agent.metrics().value("imagepull_recovery_seconds_count", cause="not_found")
        self.assertEqual(recoveries, len(KINDS))
        self.assert_true_to_kubelet(self.late)
        self.assert_counters_true_to_kubelet()
        self.assert_they_run()

    def assert_they_run(self):
        names = [pod_name(kind, "late") for kind in KINDS]
        if self.cluster.containerd.version().startswith("1."):
            # containerd 1.7 pulls the image of a volume and then cannot mount it. This is no failed pull.
            names.remove(pod_name("image_volume", "late"))
            wait_for(self.volume_cannot_be_mounted, "the kubelet says CreateContainerError")
            self.assertEqual(self.failure(self.late, pod_name("image_volume", "late"))["state"], "recovered")
        self.eventually_runs(self.late, *names)

    def volume_cannot_be_mounted(self):
        status = self.pod(self.late, pod_name("image_volume", "late"))["status"]["containerStatuses"][0]
        return status["state"].get("waiting", {}).get("reason") == "CreateContainerError"

    def test_a_changed_image_ends_the_incident_and_begins_another(self):
        kinds, second = ("container", "init", "sidecar"), self.bad("busy")
        for kind in kinds:
            self.eventually_tried(1, self.changed, kind, "changed", image=self.bad())
        self.assert_true_to_kubelet(self.changed)
        for kind in kinds:
            self.change_image(kind, second)
        for kind in kinds:
            self.eventually_in_state(kind, self.bad(), "gone")
            wait_for(lambda kind=kind: self.incident(kind, second)["cause"] == "rate_limited", f"{kind}: {second}")
        self.eventually_blocked(self.changed, len(kinds))
        self.assert_true_to_kubelet(self.changed)
        for kind in kinds:
            self.change_image(kind, self.works())
        for kind in kinds:
            self.eventually_in_state(kind, second, "gone")
        self.eventually_blocked(self.changed, 0)
        self.assert_true_to_kubelet(self.changed)
        self.eventually_runs(self.changed, *(pod_name(kind, "changed") for kind in kinds))

    def change_image(self, kind, image):
        """Give it to the container that does not work."""
        pod = self.pod(self.changed, pod_name(kind, "changed"))
        for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
            if container["image"] != self.works():
                container["image"] = image
        self.api.update("pods", pod)

    def incident(self, kind, image):
        found = self.agent.failures_of(self.changed, pod_name(kind, "changed"))
        found = [failure for failure in found if failure["image"] == image]
        self.assertEqual(len(found), 1, f"{kind} with {image}: {found}")
        return found[0]

    def eventually_in_state(self, kind, image, state):
        wait_for(lambda: self.assertEqual(self.incident(kind, image)["state"], state), f"{kind}: {image} is {state}")
