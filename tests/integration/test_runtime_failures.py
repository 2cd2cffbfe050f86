# SPDX-License-Identifier: Apache-2.0
"""Every kind of failure of the lab, with real pulls of each generation of containerd."""

import unittest

import runtimes
import support
import demo_pods
from endpoints import BEHAVIOURS

load_tests = runtimes.on_each_runtime

VERSIONS = {"bookworm": "1.6.", "trixie": "1.7.", "sid": "2."}
# Endpoints whose pulls succeed, or never end: tests of stalls and download slots use them.
WORKING_ENDPOINTS = {"slow", "shares-layer", "stalls", "six-layers", "three-layers", "never-answers"}


class Failures(runtimes.OnARuntime):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for secret in demo_pods.secrets(cls.lab):
            cls.lab.api.create("secrets", secret)
        cls.cases = demo_pods.cases(cls.lab) + demo_pods.further_cases(cls.lab)
        for case in cls.cases:
            cls.lab.api.create("pods", {"metadata": {"name": case.pod},
                                        "spec": {"nodeName": cls.lab.node, **case.spec}})

    def test_each_failing_pod_has_the_right_incident(self):
        for case in self.cases:
            if case.cause is None:
                continue

            def right(case=case):
                problem = case.problem(self.agent.failures().get((case.pod, case.container)))
                self.assertIsNone(problem, f"{case.pod} ({case.story}): {problem}")

            with self.subTest(pod=case.pod):
                support.wait_for(right, case.pod)
                info, = self.agent.metrics().find("imagepull_container_blocked_info", pod=case.pod)
                self.assertEqual(info.labels["cause"], case.cause)

    def test_each_working_pod_runs_without_an_incident(self):
        working = [case.pod for case in self.cases if case.cause is None]
        self.eventually_runs(*working)
        shown = {pod for pod, _ in self.agent.failures()}
        self.assertEqual(shown & set(working), set())

    def test_each_endpoint_has_a_pod(self):
        """A new endpoint needs a pod here."""
        images = str([case.spec for case in self.cases])
        used = {name for name in BEHAVIOURS if self.lab.endpoints[name] in images}
        self.assertEqual(used | WORKING_ENDPOINTS, set(BEHAVIOURS))

    def test_the_runtime_has_the_wanted_version(self):
        info, = self.agent.metrics().find("imagepull_runtime_info")
        self.assertEqual((info.labels["runtime"], info.labels["version"]),
                         ("containerd", self.lab.containerd.version()))
        if self.suite in VERSIONS:
            self.assertTrue(info.labels["version"].startswith(VERSIONS[self.suite]), info.line)


if __name__ == "__main__":
    unittest.main()
