# SPDX-License-Identifier: Apache-2.0
"""etcd that does not answer, and an API server that is killed and comes back with other credentials."""

import shutil

from faults import FaultCase

from cluster import AGENT_NAMESPACE

ANY_RUNTIME = True

DURING_ETCD = ("no-such-tag", "busy")   # fail while etcd is paused
DURING_API = ("down", "refused")        # fail while there is no API server


class ClusterFaults(FaultCase):
    """
    While there is no API server, it gets a certificate of another CA. `revoked` has a token that it does not accept any
    more, `replaced` had one and has a new one, and `distrusts` does not know the new CA. Both are repaired afterwards.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.start_agents()
        cls.team = cls.namespace()
        cls.pause_etcd()
        cls.kill_apiserver()
        cls.bring_apiserver_up()

    @classmethod
    def start_agents(cls):
        """Each has credentials of its own."""
        for secret in ("revoked", "replaced"):
            cls.api.create("secrets", {"metadata": {"name": secret}}, AGENT_NAMESPACE)
        cls.old_ca = shutil.copy(cls.cluster.pki.old_ca_file, cls.cluster.path("agent-ca.crt"))
        tokens = [cls.cluster.write_agent_token(name, name) for name in ("revoked", "replaced")]
        cls.revoked, cls.replaced = (cls.start_agent("agent-" + name, f"--kube.token-file={token}")
                                     for name, token in zip(("revoked", "replaced"), tokens))
        cls.distrusts = cls.start_agent("agent-distrusts", f"--kube.ca-file={cls.old_ca}")
        cls.agents = (cls.agent, cls.revoked, cls.replaced, cls.distrusts)

    @classmethod
    def pause_etcd(cls):
        cls.create_failing(cls.team, *DURING_ETCD)
        cls.eventually_tried(cls.team, 2, *DURING_ETCD)
        cls.cluster.etcd.pause()
        cls.eventually_tries_again(*DURING_ETCD)
        cls.cluster.etcd.resume()
        cls.eventually_tried(cls.team, 3, *DURING_ETCD)

    @classmethod
    def kill_apiserver(cls):
        cls.create_failing(cls.team, *DURING_API)
        cls.eventually_tried(cls.team, 1, *DURING_API)
        cls.cluster.write_agent_token("replaced")
        for secret in ("revoked", "replaced"):
            cls.api.delete("secrets", secret, AGENT_NAMESPACE)
        cls.cluster.pki.make_serving_certificate(next_ca=True)
        cls.cluster.apiserver.kill()
        cls.eventually_tries_again(*DURING_API)

    @classmethod
    def bring_apiserver_up(cls):
        cls.cluster.start_apiserver()
        cls.eventually_down("pods", "401", agent=cls.revoked)
        cls.eventually_down("pods", "certificate", agent=cls.distrusts)
        cls.ready = [agent.ready() for agent in cls.agents]
        for agent in (cls.agent, cls.replaced):
            cls.eventually_up(agent)
        cls.cluster.write_agent_token("revoked")
        shutil.copy(cls.cluster.pki.ca_file, cls.old_ca)
        for agent in cls.agents:
            cls.eventually_up(agent)

    def test_nothing_is_lost_or_counted_twice(self):
        tries = self.tries()
        for agent in self.agents:
            self.assert_true_to_kubelet(self.team, agent)
            self.assert_counted({name: tries[self.cluster.endpoints[name]] for name in DURING_ETCD + DURING_API}, agent)
            self.assertEqual({failure["first_failure_exact"] for failure in agent.failures_of(self.team)}, {True})

    def test_agents_stay_ready(self):
        self.assertEqual(self.ready, [True] * len(self.agents))

    def test_the_reasons_of_the_reconnects(self):
        for agent in self.agents:
            for source in ("pods", "events"):
                reasons = self.reconnects(source, agent)
                self.assertLessEqual({"closed", "network"}, set(reasons))
                self.assertNotIn("malformed", reasons)
            self.assertEqual(self.reconnects("cri", agent), {})
        self.assertIn("refused", self.reconnects("pods", self.revoked))

    def test_warnings_name_what_is_read_and_say_that_it_goes_on(self):
        for agent in self.agents:
            warnings = self.warnings(agent)
            for what in ("watch pods of node node-1: ", f"watch events of namespace {self.team}: "):
                self.assertTrue(any(what in line for line in warnings), warnings)
            for line in warnings:
                self.assertRegex(line, "; retrying in [0-9.]+s")
        self.assertTrue(any("the API server answered 401" in line for line in self.warnings(self.revoked)))
