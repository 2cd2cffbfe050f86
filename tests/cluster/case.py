# SPDX-License-Identifier: Apache-2.0
"""What the tests on a real cluster share: one cluster and one agent for a class, and short words for its objects."""

import datetime
import itertools
import os
import signal
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "tests", "lab")]

import truth  # noqa: E402
from agent import Agent  # noqa: E402
from cluster import Cluster  # noqa: E402
from counters import Recorder  # noqa: E402

# An agent that the cluster knows nothing of. 100 registries, so that no test's registry becomes "other".
AGENT_OPTIONS = ("--metrics.max-registries=100",)
SECONDS = 600  # for the slowest machine, and the longest back-off of a kubelet is 5 minutes


def agent_binary():
    path = os.environ.get("AGENT") or os.path.join(ROOT, "build", "imagepull-exporter")
    if not os.access(path, os.X_OK):
        raise AssertionError(f"there is no agent at '{path}': build it with 'make', or name one in AGENT")
    return os.path.abspath(path)


def wait_for(condition, what, seconds=SECONDS):
    """
    Call `condition` until it returns something that is not False, and return that. An AssertionError counts as False;
    the last one is raised when the time is up. A test that passes does not use the time.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            result = condition()
            if result is not False:
                return result
            error = AssertionError(f"timeout after {seconds:g} s: {what}")
        except AssertionError as failed:
            error = failed
        if time.monotonic() > deadline:
            raise error
        time.sleep(0.1)


def time_of(text):
    """Seconds since 1970 of a time in JSON."""
    return datetime.datetime.fromisoformat(text).timestamp()


class OnACluster(unittest.TestCase):
    """
    A class has a cluster with the containerd of the suite in $CLUSTER_SUITE, and an agent that sees it from the
    beginning. Each test works in namespaces of its own. After a failure the logs are kept.
    """

    cluster_options = {}
    agent_options = AGENT_OPTIONS
    _numbers = itertools.count(1)

    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.enterClassContext(Cluster(suite=os.environ.get("CLUSTER_SUITE"), **cls.cluster_options))
        cls.api = cls.cluster.api
        cls.start_agent_of_class()

    @classmethod
    def start_agent_of_class(cls):
        cls.agent = cls.start_agent("agent")

    @property
    def counters(self):
        """The recorder of the class's agent. Each test checks at its end that no counter ever fell."""
        return getattr(self.agent, "counters", None)

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        if self.counters:
            self.addCleanup(self.counters.check)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            self.cluster.keep_directory()
            print(f"{self.id()} failed; the logs of all parts are in {self.cluster.directory}", file=sys.stderr)

    # --- the agent ---

    @classmethod
    def start_agent(cls, name, *options, test=None):
        """Start an agent, which stops at the end of `test`, or of the class. Waits until it is ready."""
        agent = Agent(agent_binary(), [*cls.cluster.agent_flags(), *cls.agent_options, *options],
                      cls.cluster.path(name + ".log"))
        (test.addCleanup if test else cls.addClassCleanup)(cls._end_well, agent)
        agent.wait_ready(SECONDS)
        agent.ends_with = 0
        agent.counters = Recorder(agent, cls.cluster)
        return agent

    @staticmethod
    def kill_agent(agent):
        """SIGKILL, as when the kernel ends it for its memory."""
        agent.counters.stop()
        os.kill(agent.pid, signal.SIGKILL)
        agent.ends_with = -signal.SIGKILL

    @staticmethod
    def _end_well(agent):
        counters = getattr(agent, "counters", None)  # None: it was never ready
        if counters:
            counters.stop()
        status, _ = agent.stop()
        if status != getattr(agent, "ends_with", 0):
            raise AssertionError(f"the agent ended with status {status}; the end of its log:\n{agent.log()[-3000:]}")
        if counters:
            counters.check()

    def failure(self, namespace, pod, container="app", agent=None):
        """The agent's entry about a container, or None."""
        found = (agent or self.agent).failures_of(namespace, pod)
        return next((failure for failure in found if failure["container"] == container), None)

    def eventually_shown(self, namespace, pod, container="app", agent=None, seconds=SECONDS, **wanted):
        """Wait until the agent shows the container with these values. Returns its entry."""
        def shown():
            failure = self.failure(namespace, pod, container, agent)
            self.assertIsNotNone(failure, f"{namespace}/{pod}/{container} is not shown")
            self.assertEqual({field: failure[field] for field in wanted}, wanted)
            return failure

        return wait_for(shown, f"{pod} is shown with {wanted}", seconds)

    def eventually_blocked(self, namespace, count, agent=None):
        """Wait until /metrics has `count` blocked containers of a namespace, and a series for each."""
        def blocked():
            metrics = (agent or self.agent).metrics()
            self.assertEqual(
                [metrics.value("imagepull_blocked_containers", namespace=namespace) or 0,
                 len(metrics.find("imagepull_container_blocked_info", namespace=namespace)),
                 len(metrics.find("imagepull_container_blocked_since_timestamp_seconds", namespace=namespace))],
                [count] * 3)

        wait_for(blocked, f"{count} blocked containers in {namespace}")

    def assert_true_to_kubelet(self, namespace, agent=None, uids=None):
        """
        Everything that the agent says about the pods of a namespace (`uids`: only these) is what the kubelet says
        itself. Of many pods one is always just being tried, so each pod agrees at a moment of its own.
        """
        disagreeing = []

        def agree():
            found = truth.differences_by_pod(self, namespace, agent or self.agent, uids)
            disagreeing[:] = set(found) & set(disagreeing or found)
            self.assertEqual([sentence for uid in disagreeing for sentence in found[uid]], [])

        wait_for(agree, f"the agent and the kubelet agree about {namespace}", 60)

    @classmethod
    def next_retries(cls, namespace, pods, agent=None):
        """The next_retry that the agent shows for each of these pods. Waits until each has one."""
        promised = {}

        def all_promised():
            for pod, promise in truth.promises(namespace, agent or cls.agent).items():
                promised[pod] = promised.get(pod) or promise
            missing = [pod for pod in pods if not promised.get(pod)]
            assert not missing, f"the agent shows no next_retry of {missing}"

        wait_for(all_promised, f"next_retry in {namespace}")
        return [promised[pod] for pod in pods]

    def assert_next_retries_come_true(self, promises):
        """The kubelet tries when the agent said, or at its first look after that. Waits until it has tried again."""
        def broken():
            log = self.cluster.kubelet.log()
            sentences = [promise.broken(log, truth.TOLERANCE_SECONDS) for promise in promises]
            return False if False in sentences else [sentence for sentence in sentences if sentence]

        self.assertEqual(wait_for(broken, "the next attempts"), [])

    def assert_counters_true_to_kubelet(self, *registries):
        """The agent of the class has counted the failed pulls of these registries (or of all) once, and no others."""
        wait_for(lambda: self.assertEqual(self.counters.differences(*registries), []),
                 "the counters agree with the kubelet's log", 60)

    # --- objects ---

    @classmethod
    def namespace(cls, name="team"):
        """A new namespace with its ServiceAccount. Returns its name. It is deleted with the cluster."""
        name = f"{name}-{next(cls._numbers)}"
        cls.api.create("namespaces", {"metadata": {"name": name}}, namespace=None)
        wait_for(lambda: cls.api.get("serviceaccounts", "default", name) is not None, f"the account of {name}")
        return name

    @classmethod
    def create_pod(cls, namespace, name, image=None, container=None, **spec):
        """A pod with one container 'app' of `image`, or with the containers in `spec`."""
        if image is not None:
            spec["containers"] = [{"name": "app", "image": image, **(container or {})}]
        return cls.api.create("pods", {"metadata": {"name": name}, "spec": {
            "terminationGracePeriodSeconds": 1, **spec}}, namespace)

    @classmethod
    def create_secret(cls, namespace, name, content, kind="kubernetes.io/dockerconfigjson"):
        """A pull Secret; `content` is the text of its only key."""
        key = ".dockercfg" if kind == "kubernetes.io/dockercfg" else ".dockerconfigjson"
        return cls.api.create("secrets", {"metadata": {"name": name}, "type": kind, "stringData": {key: content}},
                               namespace)

    @classmethod
    def works(cls):
        """An image that can be pulled."""
        return cls.cluster.open.image("lab/pause", "1")

    @classmethod
    def bad(cls, endpoint="no-such-tag", repository="team/app", tag="v1"):
        """An image of a registry that misbehaves: see BEHAVIOURS in tests/lab/endpoints.py."""
        return f"{cls.cluster.endpoints[endpoint]}/{repository}:{tag}"

    @classmethod
    def pod(cls, namespace, name):
        return cls.api.get("pods", name, namespace)

    @classmethod
    def eventually_runs(cls, namespace, *names):
        for name in names:
            wait_for(lambda name=name: (cls.pod(namespace, name) or {}).get("status", {}).get("phase") == "Running",
                     f"{namespace}/{name} runs")
