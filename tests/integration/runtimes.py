# SPDX-License-Identifier: Apache-2.0
"""
The same tests on several generations of containerd.

    load_tests = runtimes.on_each_runtime           every class of the module, once for each, side by side
    load_tests = runtimes.on_suites(["sid"])        the same with the containerd of these Debian suites

LAB_SUITES names the Debian suites whose containerd is used; a suite that this machine
cannot fetch is skipped with a message.
"""

import datetime
import os
import sys
import time
import unittest

import side_by_side
import support
from generations import Unavailable, folder
from lab import Lab

SUITES = os.environ.get("LAB_SUITES", "bookworm trixie").split()
SKIPPED = set()  # suites whose skip message is printed
SPEED = 20  # the kubelet's back-off of 10 s to 5 min becomes 0.5 s to 15 s


def on_suites(suites):
    """load_tests for a module whose tests need the containerd of these suites, unless LAB_SUITES names others."""
    suites = SUITES if "LAB_SUITES" in os.environ else suites

    def load_tests(loader, tests, pattern):
        classes = []
        for test in side_by_side.flat(tests):
            if type(test) not in classes:
                classes.append(type(test))
        variants = [type(f"{each.__name__}On{suite.capitalize()}", (each,),
                         {"suite": suite, "__module__": each.__module__}) for suite in suites for each in classes]
        return side_by_side.SideBySide(loader.loadTestsFromTestCase(variant) for variant in variants)

    return load_tests


on_each_runtime = on_suites(SUITES)


def seconds_of(text):
    """Seconds since 1970 of a time in the agent's JSON."""
    return datetime.datetime.fromisoformat(text).timestamp()


class OnARuntime(unittest.TestCase):
    """Each class has a lab with the containerd of `suite`, and an agent."""

    maxDiff = None
    suite = None  # None: the installed containerd
    lab_options = {}
    # More registries than a node has, so that no test's registry becomes "other".
    agent_options = ("--metrics.max-registries=100",)

    @classmethod
    def setUpClass(cls):
        try:
            folder(cls.suite)
        except Unavailable as error:
            if cls.suite not in SKIPPED:
                SKIPPED.add(cls.suite)
                print(f"skipping its tests: {error}", file=sys.stderr)
            raise unittest.SkipTest(str(error)) from error
        cls.lab = cls.enterClassContext(Lab(speed=SPEED, suite=cls.suite, **cls.lab_options))
        cls.agent = cls.start_agent("agent", *cls.agent_options)

    @classmethod
    def start_agent(cls, name, *options):
        agent = support.start_agent(cls, [*cls.lab.agent_flags(), *options], name, cls.lab.directory)
        agent.wait_ready()
        return agent

    def create(self, name, image, **more):
        """Create a pod with one container 'app' (and `more` in its spec)."""
        self.create_spec(name, {"containers": [{"name": "app", "image": image}], **more})

    def create_spec(self, name, spec):
        self.lab.api.create("pods", {"metadata": {"name": name}, "spec": {"nodeName": self.lab.node, **spec}})

    def phase(self, name):
        return self.lab.api.get("pods", name)["status"].get("phase")

    def eventually_runs(self, *names):
        support.wait_for(lambda: all(self.phase(name) == "Running" for name in names), f"{names} run")

    def failure(self, pod, container="app"):
        failure = self.agent.failures().get((pod, container))
        self.assertIsNotNone(failure, f"{pod}/{container} is not shown")
        return failure

    def eventually_shown(self, pod, **wanted):
        def shown():
            failure = self.failure(pod)
            self.assertEqual({field: failure[field] for field in wanted}, wanted)
            return failure

        return support.wait_for(shown, f"{pod} is shown with {wanted}")

    def holds_for(self, seconds, check):
        """Call `check` again and again for so many seconds. It raises if something is wrong."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.agent.check()
            check()
            time.sleep(0.1)
