# SPDX-License-Identifier: Apache-2.0
"""60 pods fail at once. The kubelet itself refuses some of the pulls, because they are more than registryPullQPS."""

from case import OnACluster, wait_for

ANY_RUNTIME = True

# endpoint: cause
CAUSES = {"no-such-tag": "not_found", "busy": "rate_limited", "down": "registry_error", "forbidden": "unauthorized"}
PODS_OF_EACH = 15


class ManyPods(OnACluster):
    # One after the other they would take turns, and never fail at once.
    cluster_options = {"kubelet_settings": {"serializeImagePulls": False}}

    def test_sixty_pods_fail_at_once(self):
        namespace = self.namespace("crowd")
        causes = {f"{endpoint}-{number}": cause for endpoint, cause in CAUSES.items() for number in range(PODS_OF_EACH)}
        for name in causes:
            endpoint, _, number = name.rpartition("-")
            self.create_pod(namespace, name, self.bad(endpoint, repository=f"team/app-{number}"))
        self.eventually_blocked(namespace, len(causes))
        for name, cause in causes.items():
            self.eventually_shown(namespace, name, cause=cause, ended=None)
        self.assert_true_to_kubelet(namespace)
        self.assert_counters_true_to_kubelet(*(self.cluster.endpoints[endpoint] for endpoint in CAUSES))
        self.delete_all(namespace, causes)

    def delete_all(self, namespace, names):
        counted = self.agent.metrics().value("imagepull_failures_total")
        for name in names:
            self.api.delete("pods", name, namespace, grace=0)
        self.eventually_blocked(namespace, 0)
        wait_for(lambda: self.assertEqual({f["state"] for f in self.agent.failures_of(namespace)}, {"gone"}), "all gone")
        self.assertGreaterEqual(self.agent.metrics().value("imagepull_failures_total"), counted)
