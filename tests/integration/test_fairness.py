# SPDX-License-Identifier: Apache-2.0
"""A tenant takes all that it can get. The failures of others must be shown, and never "nothing is blocked"."""

import json
import os
import subprocess
import unittest

import side_by_side
import support
from fault_story import Watcher
from kubelet_api import KubeletApi
from pods import IMAGE, NOT_FOUND, REGISTRY, pod, pulled_event, running, waiting

load_tests = side_by_side.load_tests

ENDED = 4200  # more than the agent's table of pods has places


class Attack(unittest.TestCase):
    """Each class has a double; `attack` writes to it before the agent starts."""

    events = False

    @classmethod
    def setUpClass(cls):
        cls.double = support.start_api(cls)
        cls.admin = cls.double.client()
        cls.attack()

    @classmethod
    def attack(cls):
        raise NotImplementedError

    def setUp(self):
        self.agent = Watcher(self, self.double.agent_flags(), self.events).agent
        self.agent.wait_ready()

    @classmethod
    def write(cls, namespace, value, *statuses, phase="Pending"):
        created = cls.admin.create("pods", value, namespace)
        if statuses or phase != "Pending":
            cls.report(namespace, value["metadata"]["name"], *statuses, phase=phase)
        return created["metadata"]["uid"]

    @classmethod
    def report(cls, namespace, name, *statuses, phase="Pending"):
        cls.admin.update("pods", {"metadata": {"name": name, "namespace": namespace},
                                  "status": {"phase": phase, "containerStatuses": list(statuses)}}, "status")

    def create_failing(self, namespace="company", name="broken"):
        return self.write(namespace, pod(name), waiting("ErrImagePull", NOT_FOUND))

    def answer(self):
        return json.loads(self.agent.get("/debug/failures")[1])

    def states(self, name):
        return [failure["state"] for failure in self.answer()["failures"] if failure["pod"] == name]

    def sees(self, name="broken", state="failing"):
        support.wait_for(lambda: self.assertEqual(self.states(name), [state]), f"{name} is {state}")

    def status(self):
        done = subprocess.run([support.agent_binary(), "status",
                               f"--debug.listen-address=127.0.0.1:{self.agent.debug[1]}"],
                              capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout

    def assert_left_out(self, limit, least):
        """Every way to look at the agent says that something is left out."""
        left_out = self.answer()["left_out"]
        self.assertGreaterEqual(left_out.get(limit, 0), least, left_out)
        self.assertEqual(self.agent.metrics().value("imagepull_left_out", limit=limit), left_out[limit])
        code, out = self.status()
        self.assertEqual(code, 2)
        self.assertNotIn("nothing is blocked", out)
        self.assertIn(f"({left_out[limit]})", out)


class EndedPods(Attack):
    @classmethod
    def attack(cls):
        cls.double.control("pods", namespace="junk", pods=[
            {**pod(f"job-{number}"), "status": {"phase": "Failed" if number % 2 else "Succeeded"}}
            for number in range(ENDED)])

    def test_ended_pods_take_no_place(self):
        self.assertEqual(self.status()[0], 0)
        self.assertEqual(self.agent.metrics().find("imagepull_limit_hits_total", limit="pods"), [])
        self.create_failing()
        self.sees()
        self.assertEqual(self.answer()["left_out"], {})
        self.assertEqual(self.status()[0], 1)

        self.report("company", "broken", waiting("ErrImagePull", NOT_FOUND), phase="Failed")
        self.sees(state="gone")  # and not recovered
        metrics = self.agent.metrics()
        self.assertEqual(metrics.find("imagepull_recovery_seconds_count"), [])
        self.assertEqual(metrics.value("imagepull_failures_total", registry=REGISTRY, cause="not_found"), 1)


class EndedPodsOfTheKubelet(unittest.TestCase):
    """The kubelet's list has no field selector."""

    def test_ended_pods_take_no_place(self):
        folder = support.Folder()
        self.addCleanup(folder.remove)
        pods = [{"metadata": {"name": f"job-{i}", "namespace": "junk", "uid": f"uid-{i}",
                              "resourceVersion": str(i + 1)},
                 "spec": {"containers": [{"name": "app", "image": IMAGE}]}, "status": {"phase": "Failed"}}
                for i in range(ENDED)]
        broken = {"metadata": {"name": "broken", "namespace": "company", "uid": "uid-broken",
                               "resourceVersion": "9999"},
                  "spec": {"containers": [{"name": "app", "image": IMAGE}]},
                  "status": {"phase": "Pending", "containerStatuses": [waiting("ErrImagePull", NOT_FOUND)]}}
        kubelet = KubeletApi(os.path.join(folder.path, "kubelet"), [*pods, broken])
        self.addCleanup(kubelet.stop)
        agent = support.start_agent(self, ["--node-name=lab-node", *kubelet.agent_flags(),
                                           "--cri.endpoint=unix:///nonexistent/containerd.sock"])
        agent.wait_ready()
        self.assertEqual(set(agent.failures()), {("broken", "app")})
        self.assertEqual(json.loads(agent.get("/debug/failures")[1])["left_out"], {})
        for limit in ("pods", "pod_versions"):
            self.assertEqual(agent.metrics().find("imagepull_limit_hits_total", limit=limit), [])


class LivePods(Attack):
    @classmethod
    def attack(cls):
        cls.double.control("pods", namespace="junk", pods=[pod(f"pod-{number}") for number in range(4100)])

    def test_a_failing_pod_of_another_namespace_has_a_place(self):
        self.assert_left_out("pods", 4)
        self.create_failing()
        self.sees()
        self.assert_left_out("pods", 5)
        self.report("company", "broken", running(), phase="Running")
        self.sees(state="recovered")
        self.assert_left_out("pods", 5)


class RefusedNames(Attack):
    @classmethod
    def attack(cls):
        names = [f"c-{i}" for i in range(128)]
        for number in range(16):
            cls.write("junk", {"metadata": {"name": f"refused-{number}"},
                               "spec": {"nodeName": "lab-node",
                                        "containers": [{"name": name, "image": "UPPER//"} for name in names]}},
                      *(waiting("InvalidImageName", "couldn't parse image name", name) for name in names))

    def test_a_failure_of_another_namespace_has_a_place(self):
        self.assertEqual(len(self.answer()["failures"]), 2048)
        self.assertEqual(self.status()[0], 1)
        for number in range(20):
            self.create_failing(name=f"broken-{number}")
        for number in range(20):
            self.sees(f"broken-{number}")
        self.assert_left_out("incidents", 20)
        named = {sample.labels["pod"] for sample in self.agent.metrics().find("imagepull_container_blocked_info")}
        self.assertLessEqual({f"broken-{number}" for number in range(20)}, named)


class Registries(Attack):
    @classmethod
    def attack(cls):
        cls.write("junk", {"metadata": {"name": "names"},
                           "spec": {"nodeName": "lab-node", "containers": [
                               {"name": f"c-{i}", "image": f"named{i}.example/app:v1"} for i in range(16)]}})

    def test_a_registry_that_fails_has_its_own_series(self):
        self.create_failing()
        self.sees()
        self.assertEqual(self.failures(), 1)

        images = [f"failing{i}.example/app:v1" for i in range(40)]
        self.write("junk", {"metadata": {"name": "fails"},
                            "spec": {"nodeName": "lab-node", "containers": [
                                {"name": f"c-{i}", "image": image} for i, image in enumerate(images)]}},
                   *(waiting("ErrImagePull", f"{image}: not found", f"c-{i}") for i, image in enumerate(images)))
        support.wait_for(lambda: self.assertEqual(len(self.states("fails")), 40), "all of them are shown")
        self.assertEqual(self.failures(), 1)
        info = self.agent.metrics().find("imagepull_container_blocked_info")
        self.assertIn("failing39.example", {sample.labels["registry"] for sample in info})
        self.assertNotIn("other", {sample.labels["registry"] for sample in info})
        self.assertEqual(self.answer()["left_out"], {})

    def failures(self):
        return self.agent.metrics().value("imagepull_failures_total", registry=REGISTRY, cause="not_found")


class FailingNamespaces(Attack):
    events = True

    @classmethod
    def attack(cls):
        for number in range(12):
            cls.write(f"junk-{number}", pod("fails"), waiting("ErrImagePull", NOT_FOUND))

    def test_the_events_of_each_namespace_are_read(self):
        uid = self.create_failing()
        event = pulled_event("broken", uid, "Unable to retrieve some image pull secrets (regcred); attempting to pull "
                             "the image may not succeed.", reason="FailedToRetrieveImagePullSecret")
        event["metadata"]["namespace"] = event["involvedObject"]["namespace"] = "company"
        self.admin.create("events", event, "company")
        self.sees()
        self.assert_left_out("event_namespaces", 5)

        def told():
            failure, = (each for each in self.answer()["failures"] if each["pod"] == "broken")
            self.assertEqual(failure["missing_pull_secrets"], ["regcred"])
            read = {request["path"].split("/")[4] for request in self.admin.requests()
                    if request["path"].endswith("/events")}
            self.assertEqual(read, {"company", *(f"junk-{number}" for number in range(12))})

        support.wait_for(told, "the events of each namespace are read", seconds=600)


class ManyEvents(Attack):
    """A namespace with more events than an agent may read: they are those of all nodes."""

    events = True
    budget = 2 << 20

    @classmethod
    def attack(cls):
        cls.write("junk", pod("fails"), waiting("ErrImagePull", NOT_FOUND))
        cls.write_events(100)

    @classmethod
    def write_events(cls, count):
        """Events of another node, 30 KiB each."""
        for number in range(count):
            cls.write_event("junk", pulled_event(f"other-{number}", f"uid-{number}", "x" * (30 << 10),
                                                 node="other-node"))

    @classmethod
    def write_event(cls, namespace, event):
        event["metadata"]["namespace"] = event["involvedObject"]["namespace"] = namespace
        cls.admin.create("events", event, namespace)

    def source(self):
        sources = json.loads(self.agent.get("/debug/sources")[1])["sources"]
        return next(source for source in sources if source["source"] == "events")

    def asked(self, namespace):
        return [request["query"] for request in self.admin.requests()
                if request["path"] == f"/api/v1/namespaces/{namespace}/events"]

    def assert_bounded(self):
        received = self.agent.metrics().value("imagepull_source_received_bytes_total", source="events")
        self.assertLess(received, self.budget + (256 << 10))
        return received

    def test_it_rests_and_the_failures_are_explained(self):
        support.wait_for(lambda: self.assertEqual(self.answer()["left_out"], {"event_budget": 1}), "it rests")
        self.assert_left_out("event_budget", 1)
        self.assertGreater(self.assert_bounded(), self.budget)
        self.assertIn("namespace junk has too many events; reading again in ", self.source()["last_error"])
        self.assertEqual(self.source()["state"], "up")
        self.assertEqual(self.agent.metrics().value("imagepull_source_up", source="events"), 1)
        self.assertEqual(self.agent.metrics().value("imagepull_limit_hits_total", limit="event_budget"), 1)
        asked = self.asked("junk")
        self.assertEqual([query.get("watch") for query in asked], [None] * len(asked))

        # Everybody else's events are read, and the failures of this namespace are known from the status.
        uid = self.create_failing()
        self.write_event("company", pulled_event(
            "broken", uid, "Unable to retrieve some image pull secrets (regcred); attempting to pull the image may not "
            "succeed.", reason="FailedToRetrieveImagePullSecret"))
        self.write("junk", pod("later"), waiting("ErrImagePull", NOT_FOUND))
        self.write_events(40)
        for name in ("broken", "later", "fails"):
            self.sees(name)

        def told():
            failures = {failure["pod"]: failure for failure in self.answer()["failures"]}
            self.assertEqual(failures["broken"]["missing_pull_secrets"], ["regcred"])
            self.assertEqual({failure["cause"] for failure in failures.values()}, {"not_found"})

        support.wait_for(told, "the failure of the other namespace is explained")
        self.assert_bounded()
        self.assertEqual(self.asked("junk"), asked)
        self.assertEqual(len([line for line in self.agent.log().splitlines() if "too many events" in line]), 1)


if __name__ == "__main__":
    unittest.main()
