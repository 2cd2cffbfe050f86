# SPDX-License-Identifier: Apache-2.0
"""Pods that end while their pulls fail: with their namespace, and static pods, whose file is changed or removed."""

from case import OnACluster, wait_for

ANY_RUNTIME = True

CAUSES = {"no-such-tag": "not_found", "busy": "rate_limited", "down": "registry_error"}


class PodsThatEnd(OnACluster):
    def test_a_namespace_that_is_deleted(self):
        doomed, other = self.namespace("doomed"), self.namespace("other")
        for name in CAUSES:
            self.create_pod(doomed, name, self.bad(name))
        self.create_pod(other, "stays", self.bad("refused"))
        for name, cause in CAUSES.items():
            self.eventually_tried(2, doomed, name, cause=cause, ended=None)
        self.assert_true_to_kubelet(doomed)
        self.cluster.kubectl("delete", "namespace", doomed, "--wait=false")
        for name in CAUSES:
            self.eventually_shown(doomed, name, state="gone")
        wait_for(lambda: self.api.get("namespaces", doomed, namespace=None) is None, "the namespace is gone")
        self.eventually_blocked(doomed, 0)
        self.assertEqual(self.agent.metrics().value("imagepull_source_up", source="events"), 1)
        self.assertIsNone(self.failure(other, "stays")["ended"])
        self.assert_true_to_kubelet(other)
        self.assert_counters_true_to_kubelet(*(self.cluster.endpoints[name] for name in (*CAUSES, "refused")))

    def test_a_static_pod_whose_file_is_changed_and_removed(self):
        namespace, pod = self.namespace("static"), f"manifest-{self.cluster.node}"
        self.write_static_pod(namespace, self.bad("forbidden"))
        self.eventually_tried(2, namespace, pod, cause="unauthorized", ended=None)
        self.eventually_blocked(namespace, 1)
        self.assert_true_to_kubelet(namespace)
        # The kubelet replaces the pod, and its mirror in the API gets a new uid.
        self.write_static_pod(namespace, self.works())
        self.eventually_runs(namespace, pod)
        self.eventually_ended(namespace, pod, "gone")
        self.eventually_blocked(namespace, 0)
        self.cluster.kubelet.remove_static_pod("manifest")
        wait_for(lambda: self.pod(namespace, pod) is None, "the mirror pod is gone")
        self.eventually_ended(namespace, pod, "gone")
        self.assert_counters_true_to_kubelet(self.cluster.endpoints["forbidden"])

    def test_a_static_pod_that_is_removed_while_it_fails(self):
        namespace, pod = self.namespace("static"), f"manifest-{self.cluster.node}"
        self.write_static_pod(namespace, self.bad("broken"))
        self.eventually_tried(1, namespace, pod, cause="registry_error", ended=None)
        self.cluster.kubelet.remove_static_pod("manifest")
        self.eventually_ended(namespace, pod, "gone")
        self.eventually_blocked(namespace, 0)
        self.assert_counters_true_to_kubelet(self.cluster.endpoints["broken"])

    # --- words ---

    def write_static_pod(self, namespace, image):
        self.cluster.kubelet.write_static_pod("manifest", {
            "terminationGracePeriodSeconds": 1, "containers": [{"name": "app", "image": image}]}, namespace)

    def eventually_tried(self, attempts, namespace, pod, **wanted):
        wait_for(lambda: self.eventually_shown(namespace, pod, **wanted)["attempts"] >= attempts,
                 f"{attempts} attempts of {pod}")

    def eventually_ended(self, namespace, pod, state):
        """There is one incident about a pod of this name, and it has ended so."""
        wait_for(lambda: self.assertEqual([f["state"] for f in self.agent.failures_of(namespace, pod)], [state]),
                 f"{pod}: {state}")
