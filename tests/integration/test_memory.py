# SPDX-License-Identifier: Apache-2.0
"""One pod cannot kill the agent: what a tenant may write, on each way on which it arrives, and the memory it costs."""

import os
import re
import sys
import threading
import time
import unittest

import support
import protos
from cri_double import CriDouble
from crio_story import cri_server
from fault_story import NO_RUNTIME
from kubelet_api import KubeletApi
from pods import IMAGE, NOT_FOUND, Pods, back_off, pod, running, waiting

with open(os.path.join(support.ROOT, "include", "limit.h")) as _limits:
    LIMIT = int(re.search(r"#define MEMORY_LIMIT \((\d+)u << 20\)", _limits.read())[1]) << 20
# An API server takes requests of 3 MiB and writes 1.5 MiB of protobuf to etcd.
ARGS, ENV, SECRETS = 700_000, 290_000, 370_000
# What the attacks may add to the private memory of an agent. File pages are not counted: the kernel drops them.
GROWTH = 8 << 20
MIB = 1 << 20


def with_args(name="args"):
    return pod(name, containers=[{"name": "app", "image": IMAGE, "args": [""] * ARGS}])


def with_env(name="env"):
    return pod(name, containers=[{"name": "app", "image": IMAGE, "env": [{"name": "a"}] * ENV}])


def with_secrets(name="secrets"):
    return pod(name, imagePullSecrets=[{"name": ""}] * SECRETS)


ATTACKS = [with_args, with_env, with_secrets]


class Peak:
    """The most private memory of an agent while this runs, and the most memory of all kinds."""

    def __init__(self, agent):
        self.agent, self.before, self.most, self._over = agent, agent.anonymous_bytes(), 0, False
        self._thread = threading.Thread(target=self._watch)

    def _watch(self):
        while not self._over:
            self.most = max(self.most, self.agent.anonymous_bytes())
            time.sleep(0.002)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._over = True
        self._thread.join()

    def __str__(self):
        return (f"private memory: {self.before / MIB:.1f} MiB before, {self.most / MIB:.1f} MiB at the peak; "
                f"all: {self.agent.peak_bytes() / MIB:.1f} MiB at the peak")


class MemoryStory(unittest.TestCase):
    """A pod that fails, and the memory of the agent until it shows that pod."""

    def assert_survives(self, agent, peak):
        """It was not killed, stayed under its limit, and read everything."""
        agent.check()
        self.assertEqual(agent.metrics().find("imagepull_source_reconnects_total", reason="malformed"), [])
        self.assertIn(agent.metrics().value("imagepull_limit_hits_total", limit="list_body"), (None, 0))
        if os.environ.get("SHOW_PEAKS"):
            print(f"{self.id().rpartition('.')[2]}: {peak}", file=sys.stderr)
        self.assertLess(agent.peak_bytes(), LIMIT, str(peak))
        self.assertLess(peak.most - peak.before, GROWTH, str(peak))

    def sees(self, agent, name):
        support.wait_for(lambda: (name, "app") in agent.failures(), f"{name} is shown")


class FromTheApiServer(MemoryStory):
    @classmethod
    def setUpClass(cls):
        cls.double = support.start_api(cls)
        cls.pods = Pods(cls.double.client())

    def setUp(self):
        self.double.clear_faults()
        self.pods.delete_all()

    def start(self):
        """The agent, and its memory after it has read nothing but one pod."""
        agent = support.start_agent(self, ["--node-name=lab-node", NO_RUNTIME, *self.double.agent_flags()])
        agent.wait_ready()
        return agent

    def create_attacks(self):
        for attack in ATTACKS:
            self.pods.create(attack())
            self.pods.report(attack()["metadata"]["name"], running(), phase="Running")

    def test_in_a_watch(self):
        agent = self.start()
        with Peak(agent) as peak:
            self.create_attacks()
            self.pods.create_failing("victim")
            self.sees(agent, "victim")
        self.assert_survives(agent, peak)

    def read_anew(self):
        """An agent that was cut off while the pods were written."""
        agent = self.start()
        self.double.listen(False)
        self.double.cut()
        self.create_attacks()
        self.pods.create_failing("victim")
        with Peak(agent) as peak:
            self.double.listen(True)
            self.sees(agent, "victim")
        self.assert_survives(agent, peak)

    def test_in_a_streaming_list(self):
        self.read_anew()

    def test_in_a_list(self):
        self.double.fault("no-streaming", times=0)
        self.read_anew()


    def test_a_list_of_42_mebibytes(self):
        for number in range(21):
            self.pods.create({**pod(f"large-{number}"), "metadata": {
                "name": f"large-{number}", "annotations": {"text": "x" * 2 * MIB}}})
        self.pods.create_failing("victim")
        self.double.fault("no-streaming", times=0)
        agent = support.start_agent(self, ["--node-name=lab-node", NO_RUNTIME, *self.double.agent_flags()])
        agent.wait_listening()
        with Peak(agent) as peak:
            self.sees(agent, "victim")
        self.assert_survives(agent, peak)
        self.assertGreater(agent.metrics().value("imagepull_source_received_bytes_total", source="pods"), 42 * MIB)


class FromTheKubelet(MemoryStory):
    def test_in_the_list(self):
        folder = support.Folder()
        self.addCleanup(folder.remove)
        kubelet = KubeletApi(os.path.join(folder.path, "kubelet"))
        self.addCleanup(kubelet.stop)
        agent = support.start_agent(self, ["--node-name=lab-node", NO_RUNTIME, *kubelet.agent_flags()])
        agent.wait_ready()
        victim = pod("victim")
        victim["status"] = {"phase": "Pending", "containerStatuses": [back_off(NOT_FOUND)]}
        pods = [victim, *(attack() for attack in ATTACKS)]
        for number, each in enumerate(pods):
            each["metadata"].update(uid=f"uid-{number}", namespace="default")
        with Peak(agent) as peak:
            kubelet.pods = pods
            self.sees(agent, "victim")
        self.assert_survives(agent, peak)


class WithRuntime(MemoryStory):
    def setUp(self):
        self.double = support.start_api(self)
        self.pods = Pods(self.double.client())
        folder = support.Folder()
        self.addCleanup(folder.remove)
        self.folder = folder.path
        self.runtime = CriDouble(cri_server(), os.path.join(self.folder, "cri.sock"))
        self.addCleanup(self.runtime.stop)
        self.agent = support.start_agent(self, ["--node-name=lab-node", f"--cri.endpoint={self.runtime.endpoint}",
                                                *self.double.agent_flags()])
        self.agent.wait_ready()

    def more_polls(self, method):
        before = self.runtime.calls(method)
        support.wait_for(lambda: self.runtime.calls(method) > before + 2, "more polls")


class FromTheRuntime(WithRuntime):
    FIT, TOO_MANY = 10, 14  # pods whose list is a little under and over LIMIT_CRI_MESSAGE
    ANNOTATIONS = 60_000

    def attack(self, n, asked):
        path = os.path.join(self.folder, "sandboxes")
        with open(path, "wb") as file:
            file.write(self.sandboxes(n))
        self.runtime.tell("file", "ListPodSandbox", path)
        with Peak(self.agent) as peak:
            self.pods.create(pod("starting"), waiting("ContainerCreating"))
            self.pods.create_failing("victim")
            self.sees(self.agent, "victim")
            self.more_polls(asked)
        self.assert_survives(self.agent, peak)
        self.assertEqual(self.agent.metrics().value("imagepull_source_up", source="cri"), 1)

    def test_annotations_of_running_pods(self):
        self.attack(self.FIT, "ListPodSandbox")
        self.assertIn(self.agent.metrics().value("imagepull_limit_hits_total", limit="cri_message"), (None, 0))

    def test_annotations_of_more_pods_than_an_answer_takes(self):
        """The agent goes on without the list, and counts it."""
        self.attack(self.TOO_MANY, "ImageStatus")
        self.assertGreater(self.agent.metrics().value("imagepull_limit_hits_total", limit="cri_message"), 0)

    def sandboxes(self, n):
        answer = protos.cri().ListPodSandboxResponse()
        for number in range(n):
            sandbox = answer.items.add(id=f"{number:064}")
            sandbox.metadata.uid = f"uid-{number}"
            for annotation in range(self.ANNOTATIONS):
                sandbox.annotations[f"{annotation:x}"] = ""
        return answer.SerializeToString()


class AnOrdinaryNode(WithRuntime):
    """
    As many pods as a kubelet takes, with as much in them as pods have. File pages are not counted: how many are resident
    depends on what the machine has read before.
    """

    PODS, FAILING = 110, 30
    PRIVATE, MORE = 4 * MIB, MIB  # all, and what the pods add

    def test_the_memory(self):
        before = self.agent.anonymous_bytes()
        for number in range(self.PODS):
            name = f"pod-{number}"
            self.pods.create({**pod(name, imagePullSecrets=[{"name": "registry"}]), "metadata": {
                "name": name, "annotations": {"text": "x" * 6000}, "labels": {"app": name}}})
            if number < self.FAILING:
                self.pods.report(name, back_off(NOT_FOUND))
            else:
                self.pods.report(name, running(), phase="Running")
        support.wait_for(lambda: len(self.agent.failures()) == self.FAILING, "all failures are shown")
        self.agent.metrics()
        self.more_polls("ImageStatus")
        private = self.agent.anonymous_bytes()
        if os.environ.get("SHOW_PEAKS"):
            print(f"{self.PODS} pods: private memory: {before / MIB:.2f} MiB before, {private / MIB:.2f} MiB; "
                  f"resident: {self.agent.memory('VmRSS') / MIB:.1f} MiB", file=sys.stderr)
        self.assertLess(private, self.PRIVATE)
        self.assertLess(private - before, self.MORE)


if __name__ == "__main__":
    unittest.main()
