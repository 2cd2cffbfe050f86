# SPDX-License-Identifier: Apache-2.0
"""The base of the tests in which a part of the cluster, or the agent, does not work for a while."""

import json

from case import OnACluster, wait_for

import truth


def require(condition, text):
    """An assertion for class methods."""
    if not condition:
        raise AssertionError(text)


class FaultCase(OnACluster):
    # One after the other, as is the default, the pulls would wait for each other.
    cluster_options = {"kubelet_settings": {"serializeImagePulls": False}}

    @classmethod
    def create_failing(cls, namespace, *endpoints):
        """Pods with the names of the registries that they cannot pull from."""
        for endpoint in endpoints:
            cls.create_pod(namespace, endpoint, cls.bad(endpoint))

    # --- the kubelet ---

    @classmethod
    def attempts(cls, namespace):
        """{pod: failed attempts} of the pods that exist, as the kubelet's Events count them."""
        names = {pod["metadata"]["uid"]: pod["metadata"]["name"] for pod in cls.api.list("pods", namespace)}
        return {names[uid]: pull.attempts for (uid, _, _), pull in truth.pulls(cls.api, namespace).items()
                if uid in names}

    @classmethod
    def eventually_tried(cls, namespace, attempts, *pods):
        """Wait until an Event of each pod counts so many attempts."""
        def tried():
            counts = cls.attempts(namespace)
            require(all(counts.get(pod, 0) >= attempts for pod in pods), f"{attempts} attempts wanted: {counts}")

        wait_for(tried, f"{attempts} attempts")

    @classmethod
    def tries(cls):
        """Counter {registry: failed pulls} of the kubelet's log, which also has what no Event says."""
        return truth.failed_pulls(cls.cluster.kubelet.log())

    @classmethod
    def eventually_tries_again(cls, *endpoints, times=1):
        """Wait until the kubelet's log has `times` more failed pulls from each of these registries."""
        before = cls.tries()

        def tried():
            now = cls.tries()
            missing = [name for name in endpoints
                       if now[cls.cluster.endpoints[name]] < before[cls.cluster.endpoints[name]] + times]
            require(not missing, f"no {times} new attempts: {missing}")

        wait_for(tried, "new attempts")

    @classmethod
    def reasons(cls, namespace):
        """{pod: why its container waits}"""
        return {pod["metadata"]["name"]: status["state"].get("waiting", {}).get("reason")
                for pod in cls.api.list("pods", namespace) for status in pod["status"].get("containerStatuses", ())}

    @classmethod
    def eventually_reported(cls, namespace, *pods):
        """Wait until the status of each pod has shown a failed attempt since now."""
        seen = set()

        def reported():
            seen.update(name for name, reason in cls.reasons(namespace).items() if reason == "ErrImagePull")
            require(seen.issuperset(pods), f"ErrImagePull only in the status of {seen}")

        wait_for(reported, "ErrImagePull")

    @classmethod
    def eventually_settled(cls, namespace, *pods):
        """The same, and all are in back-off again: nothing is on its way."""
        cls.eventually_reported(namespace, *pods)

        def settled():
            reasons = cls.reasons(namespace)
            require({reasons.get(pod) for pod in pods} == {"ImagePullBackOff"}, f"not in back-off: {reasons}")

        wait_for(settled, "back-off")

    # --- the agent's sources ---

    @classmethod
    def source(cls, name, agent=None):
        """What /debug/sources says about one of them."""
        sources = json.loads((agent or cls.agent).get("/debug/sources")[1])["sources"]
        return next(source for source in sources if source["source"] == name)

    @classmethod
    def eventually_down(cls, name, *words, agent=None):
        """Wait until a source is down and its last error has all the words."""
        def down():
            source = cls.source(name, agent)
            up = (agent or cls.agent).metrics().value("imagepull_source_up", source=name)
            require((up, source["state"]) == (0, "down") and all(word in source["last_error"] for word in words),
                    f"not down because of {words}: {source}")

        wait_for(down, f"the source {name} is down")

    @classmethod
    def eventually_up(cls, agent=None):
        """Wait until every source is up."""
        def up():
            samples = (agent or cls.agent).metrics().find("imagepull_source_up")
            found = {sample.labels["source"]: sample.value for sample in samples}
            require(found == {"pods": 1, "events": 1, "cri": 1}, f"not all are up: {found}")

        wait_for(up, "all sources are up")

    @classmethod
    def reconnects(cls, name, agent=None):
        """{reason: how often} of one source, without zeros."""
        return {sample.labels["reason"]: int(sample.value)
                for sample in (agent or cls.agent).metrics().find("imagepull_source_reconnects_total", source=name)
                if sample.value}

    @classmethod
    def warnings(cls, agent=None):
        """The warnings and errors in the agent's log."""
        return [line for line in (agent or cls.agent).log().splitlines()
                if "level=warn" in line or "level=error" in line]

    # --- what is counted ---

    def assert_counted(self, wanted, agent=None, seconds=60):
        """The failed attempts in the counters of the agent. `wanted`: {endpoint: number}"""
        def counted():
            metrics = (agent or self.agent).metrics()
            self.assertEqual({name: metrics.value("imagepull_failures_total", registry=self.cluster.endpoints[name])
                              for name in wanted}, wanted)

        wait_for(counted, "the counters", seconds)

    def assert_nothing_is_lost_or_counted_twice(self, namespace, *endpoints, agent=None):
        """What the agent shows and counts is what the kubelet says in its Events and its log."""
        self.assert_true_to_kubelet(namespace, agent)
        tries = self.tries()
        self.assert_counted({name: tries[self.cluster.endpoints[name]] for name in endpoints}, agent)
        self.eventually_up(agent)
