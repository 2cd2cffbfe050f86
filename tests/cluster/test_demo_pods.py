# SPDX-License-Identifier: Apache-2.0
"""The pods of the demo, and all other ways in which a pull fails, on a real cluster."""

from case import OnACluster, wait_for

import demo_pods


class DemoPods(OnACluster):
    # One after the other, as is the default, the pulls that wait for a timeout would delay all others. With the default
    # limit of pulls per second, the kubelet sometimes refuses one of a pod that works.
    cluster_options = {"kubelet_settings": {"serializeImagePulls": False, "registryPullQPS": 0}}

    def test_the_agent_is_right_about_every_pod(self):
        namespace = self.namespace()
        for secret in demo_pods.secrets(self.cluster):
            self.api.create("secrets", secret, namespace)
        cases = [*demo_pods.cases(self.cluster), *demo_pods.further_cases(self.cluster)]
        for case in cases:
            self.create_pod(namespace, case.pod, **case.spec)
        failing = [case for case in cases if case.cause]
        for case in failing:
            wait_for(lambda case=case: self.assertIsNone(
                case.problem(self.failure(namespace, case.pod, case.container)), case.pod), case.pod)
        working = [case.pod for case in cases if not case.cause]
        self.eventually_runs(namespace, *working)
        blamed = {f["pod"] for f in self.agent.failures_of(namespace)} - {case.pod for case in failing}
        self.assertEqual(blamed, set())
        self.assert_true_to_kubelet(namespace)

