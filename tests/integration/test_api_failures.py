# SPDX-License-Identifier: Apache-2.0
"""All the ways in which a pull fails, as the kubelet reports them, and what /debug/failures shows."""

import json
import unittest

import support
from fault_story import OPEN, FaultStory, Watcher
from pods import IMAGE, NOT_FOUND, REFUSED, REGISTRY, back_off, pod, pulled_event, running, waiting

OTHER = REGISTRY + "/team/other:v2"
PAUSE = "registry.example.org/pause:3.9"
NO_PAUSE = (f'Failed to create pod sandbox: rpc error: code = NotFound desc = failed to start sandbox "x": failed to '
            f'get sandbox image "{PAUSE}": failed to pull image "{PAUSE}": failed to pull and unpack image "{PAUSE}": '
            f"failed to resolve image: {PAUSE}: not found")


def of(image, message=NOT_FOUND):
    return message.replace(IMAGE, image)


class Ways(FaultStory):
    """All tests share one agent; each has pods of its own."""

    events = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.watcher = Watcher(cls, cls.double.agent_flags(), cls.events)
        cls.agent = cls.watcher.agent
        cls.agent.wait_ready()

    def setUp(self):
        pass

    def of_pod(self, name, container="app"):
        """All failures of that container: of any pod uid and any image."""
        status, body = self.agent.get(f"/debug/failures/default/{name}")
        if status == 404:  # no such failure
            return []
        return [f for f in json.loads(body)["failures"] if f["container"] == container]

    def eventually_is(self, name, container="app", **wanted):
        """Wait until exactly one failure of the container has these values. Returns it."""
        def shown():
            found = self.of_pod(name, container)
            fitting = [f for f in found if {field: f[field] for field in wanted} == wanted]
            self.assertEqual(len(fitting), 1, f"{wanted} among {found}")
            return fitting[0]

        return support.wait_for(shown, f"{name}/{container} is {wanted}")

    def failures_of(self, cause):
        return self.agent.metrics().value("imagepull_failures_total", registry=REGISTRY, cause=cause) or 0

    # --- which container ---

    def test_an_init_container(self):
        self.pods.create(pod("init", initContainers=[{"name": "setup", "image": OTHER}]), waiting("PodInitializing"),
                         initContainerStatuses=[waiting("ErrImagePull", of(OTHER), "setup")])
        self.eventually_is("init", "setup", kind="init", image=OTHER, cause="not_found", state="failing")
        self.assertEqual(self.of_pod("init"), [], "the container after it only waits")

    def test_a_sidecar(self):
        self.pods.create(
            pod("sidecar", initContainers=[{"name": "side", "image": OTHER, "restartPolicy": "Always"}]),
            waiting("PodInitializing"), initContainerStatuses=[back_off(of(OTHER), "side", OTHER)])
        self.eventually_is("sidecar", "side", kind="sidecar", image=OTHER, cause="not_found", state="backing_off")

    def test_an_ephemeral_container(self):
        self.pods.create(pod("debugged", ephemeralContainers=[{"name": "debugger", "image": OTHER}]), running(),
                         phase="Running", ephemeralContainerStatuses=[waiting("ErrImagePull", of(OTHER), "debugger")])
        self.eventually_is("debugged", "debugger", kind="ephemeral", image=OTHER, cause="not_found")

    def test_an_image_volume(self):
        volume = REGISTRY + "/team/artifact:v1"
        self.pods.create(pod("volume", volumes=[{"name": "v", "image": {"reference": volume}}]),
                         back_off(of(volume), image=volume))
        self.eventually_is("volume", kind="image_volume", image=volume, cause="not_found", state="backing_off")

    def test_the_image_of_the_sandbox(self):
        self.pods.create_failing("opens-the-events-of-its-namespace")
        uid = self.pods.create(pod("sandbox"), waiting("ContainerCreating"))
        self.pods.record(pulled_event("sandbox", uid, NO_PAUSE, "FailedCreatePodSandBox", field_path=None))
        self.eventually_is("sandbox", "", kind="sandbox", image=PAUSE, cause="not_found", pod_uid=uid)
        self.pods.report("sandbox", running(), phase="Running")
        self.eventually_is("sandbox", "", state="recovered")

    def test_a_static_pod(self):
        """Its events have the uid that the kubelet gave it; the mirror pod has that uid in an annotation."""
        static_uid = "3b2a0d7ec5ad41d4b6ad9a4e6c8f0123"
        value = pod("static-lab-node")
        value["metadata"]["annotations"] = {"kubernetes.io/config.hash": static_uid,
                                            "kubernetes.io/config.mirror": static_uid,
                                            "kubernetes.io/config.source": "file"}
        uid = self.pods.create(value, waiting("ErrImagePull", "pull error"))
        self.pods.record(pulled_event("static-lab-node", static_uid, f'Failed to pull image "{IMAGE}": {NOT_FOUND}',
                                      count=3))
        self.eventually_is("static-lab-node", cause="not_found", pod_uid=uid, attempts=3)

    # --- which reason ---

    def test_every_waiting_reason_of_a_pull(self):
        reasons = {
            "ErrImagePull": (NOT_FOUND, "not_found"),
            "ImageInspectError": (f'Failed to inspect image "{IMAGE}": rpc error: code = Unknown desc = bad', "node"),
            "ErrImageNeverPull": (f'Container image "{IMAGE}" is not present with pull policy of Never', "config"),
            "InvalidImageName": (f'Failed to apply default image tag "{IMAGE}": couldn\'t parse image name "{IMAGE}": '
                                 "invalid reference format", "config"),
            "RegistryUnavailable": ("image pull failed: dial tcp 192.0.2.1:443: connect: connection refused",
                                    "network"),
            "SignatureValidationFailed": ("image pull failed: Source image rejected: A signature was required, but no "
                                          "signature exists", "config"),
        }
        for reason, (message, _) in reasons.items():
            self.pods.create(pod(f"reason-{reason.lower()}"), waiting(reason, message))
        for reason, (_, cause) in reasons.items():
            self.eventually_is(f"reason-{reason.lower()}", cause=cause, kind="container", attempts=1)

    def test_other_waiting_reasons_are_not_failures(self):
        for reason in ("ContainerCreating", "PodInitializing", "CreateContainerConfigError", "CrashLoopBackOff"):
            self.pods.create(pod(f"no-{reason.lower()}"), waiting(reason, "image"))
        self.pods.create_failing("after-these")
        self.eventually_is("after-these", state="backing_off")
        for reason in ("ContainerCreating", "PodInitializing", "CreateContainerConfigError", "CrashLoopBackOff"):
            self.assertEqual(self.of_pod(f"no-{reason.lower()}"), [])

    # --- how a failure goes on ---

    def test_another_image_for_a_container_that_runs(self):
        uid = self.pods.create(pod("changed"), running(), phase="Running")
        self.pods.admin.update("pods", {"metadata": {"name": "changed"}, "spec": pod("changed", image=OTHER)["spec"]})
        self.pods.report("changed", waiting("ErrImagePull", of(OTHER)), phase="Running")
        self.eventually_is("changed", image=OTHER, cause="not_found", state="failing", pod_uid=uid)

    def test_another_image_for_a_container_that_fails(self):
        self.pods.create_failing("mended")
        self.eventually_is("mended", image=IMAGE, state="backing_off")
        self.pods.admin.update("pods", {"metadata": {"name": "mended"}, "spec": pod("mended", image=OTHER)["spec"]})
        self.pods.report("mended", waiting("ErrImagePull", of(OTHER)))
        self.eventually_is("mended", image=IMAGE, state="gone")
        self.eventually_is("mended", image=OTHER, state="failing", attempts=1)
        self.pods.report("mended", running(), phase="Running")
        self.eventually_is("mended", image=OTHER, state="recovered")

    def test_a_container_that_restarts_and_must_pull_again(self):
        self.pods.create(pod("restarted"), running(), phase="Running")
        self.pods.report("restarted", {**waiting("ErrImagePull", NOT_FOUND), "restartCount": 1}, phase="Running")
        self.eventually_is("restarted", state="failing", cause="not_found", attempts=1)

    def test_a_pod_that_is_deleted_while_it_fails(self):
        self.pods.create_failing("deleted")
        self.eventually_is("deleted", state="backing_off")
        self.pods.admin.delete("pods", "deleted", grace=30)
        self.assertIsNotNone(self.eventually_is("deleted", state="gone")["ended"])
        self.pods.delete("deleted")
        self.eventually_is("deleted", state="gone")

    def test_a_new_pod_with_the_name_of_a_failed_one(self):
        first = self.pods.create_failing("replaced")
        self.eventually_is("replaced", pod_uid=first, state="backing_off")
        self.pods.delete("replaced")
        second = self.pods.create_failing("replaced", NOT_FOUND)
        self.eventually_is("replaced", pod_uid=first, state="gone", cause="unauthorized")
        ended_and_new = self.eventually_is("replaced", pod_uid=second, state="backing_off", cause="not_found")
        self.assertEqual(ended_and_new["attempts"], 1)

    def test_a_cause_that_changes(self):
        unauthorized, not_found = self.failures_of("unauthorized"), self.failures_of("not_found")
        self.pods.create_failing("moves")
        first = self.eventually_is("moves", cause="unauthorized", attempts=1)
        self.pods.report("moves", waiting("ErrImagePull", NOT_FOUND))
        second = self.eventually_is("moves", cause="not_found", attempts=2)
        self.assertEqual(second["first_failure"], first["first_failure"])
        self.assertEqual((self.failures_of("unauthorized"), self.failures_of("not_found")),
                         (unauthorized + 1, not_found + 1))
        blocked, = self.agent.metrics().find("imagepull_container_blocked_info", pod="moves")
        self.assertEqual(blocked.labels["cause"], "not_found")
        self.assertIn(second["state"], OPEN)

    def test_a_back_off_without_a_cause_keeps_the_last_cause(self):
        self.pods.create(pod("old-kubelet"), waiting("ErrImagePull", REFUSED))
        self.eventually_is("old-kubelet", cause="unauthorized", state="failing")
        self.pods.report("old-kubelet", waiting("ImagePullBackOff", f'Back-off pulling image "{IMAGE}"'))
        self.eventually_is("old-kubelet", cause="unauthorized", state="backing_off")


if __name__ == "__main__":
    unittest.main()
