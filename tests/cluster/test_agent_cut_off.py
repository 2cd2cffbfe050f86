# SPDX-License-Identifier: Apache-2.0
"""Agents that cannot reach the API server for a while, in which pods fail, recover, are deleted and created."""

from faults import FaultCase

import control_plane
from images import pause_image

ANY_RUNTIME = True

SERVICE = control_plane.SERVICE_ADDRESS
KNOWN = ("no-such-tag", "busy", "down")  # fail before the agents are cut off
NEW = ("down", "refused")                # are created while they are cut off, "down" under the name of a deleted pod


class CutOff(FaultCase):
    """
    Two agents are cut off. `resumed` continues its watches where it was. For `self.agent` this is too long ago: in the
    meantime etcd was compacted and the API server has started again, with a watch cache that begins later.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.resumed = cls.start_agent("resumed", f"--kube.server=https://{SERVICE}:{control_plane.API_PORT}")
        cls.agents = (cls.agent, cls.resumed)
        cls.team = cls.namespace()
        cls.create_failing(cls.team, *KNOWN)
        cls.create_pod(cls.team, "repaired", cls.cluster.open.image("lab/later", "1"))
        cls.eventually_tried(cls.team, 2, *KNOWN, "repaired")
        cls.known = cls.uids()
        cls.cluster.cut_off_agent()
        cls.cluster.cut_off_agent(SERVICE)
        cls.meanwhile()
        for agent in cls.agents:
            for source in ("pods", "events"):
                cls.eventually_down(source, "Failed to connect", agent=agent)
        cls.ready = [agent.ready() for agent in cls.agents]
        cls.cluster.let_agent_through(SERVICE)
        cls.eventually_up(cls.resumed)
        cls.reconnects_of_resumed = cls.reconnects("pods", cls.resumed)
        cls.cluster.etcd.compact()
        cls.cluster.restart_apiserver(kill=True)
        cls.cluster.let_agent_through()
        for agent in cls.agents:
            cls.eventually_up(agent)

    @classmethod
    def meanwhile(cls):
        with open(cls.cluster.path("pause"), "rb") as program:
            cls.cluster.open.push(pause_image(program.read()), "lab/later", "1")
        for name in ("busy", "down"):
            cls.api.delete("pods", name, cls.team, grace=0)
        cls.create_failing(cls.team, *NEW, "broken")
        cls.create_pod(cls.team, "works", cls.works())
        cls.eventually_tried(cls.team, 1, "broken")
        cls.api.delete("pods", "broken", cls.team, grace=0)
        cls.eventually_tried(cls.team, 2, *NEW)
        cls.eventually_tried(cls.team, 3, "no-such-tag")
        cls.eventually_runs(cls.team, "repaired", "works")

    @classmethod
    def uids(cls):
        return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in cls.api.list("pods", cls.team)}

    def test_an_agent_that_is_cut_off_stays_ready(self):
        self.assertEqual(self.ready, [True, True])

    def test_what_was_known_before_is_right(self):
        for agent in self.agents:
            self.assert_true_to_kubelet(self.team, agent, set(self.known.values()))
            states = sorted((f["pod"], f["state"], f["first_failure_exact"]) for f in agent.failures_of(self.team)
                            if f["pod_uid"] in self.known.values() and f["pod"] != "no-such-tag")
            self.assertEqual(states, [("busy", "gone", True), ("down", "gone", True), ("repaired", "recovered", True)])

    def test_pods_that_were_created_meanwhile_are_shown(self):
        uids = self.uids()
        for agent in self.agents:
            shown = {(f["pod"], f["cause"]) for f in agent.failures_of(self.team)
                     if f["pod_uid"] in uids.values() and f["state"] in ("failing", "backing_off")}
            self.assertEqual(shown, {("no-such-tag", "not_found"), ("down", "registry_error"), ("refused", "network")})

    def test_a_watch_that_resumes_loses_nothing(self):
        uids = self.uids()
        self.assert_true_to_kubelet(self.team, self.resumed, {uids[name] for name in NEW})
        tries = self.tries()
        self.assert_counted({name: tries[self.cluster.endpoints[name]] for name in {*KNOWN, *NEW}}, self.resumed)

    def test_a_pull_that_was_repaired_meanwhile_is_counted_once(self):
        for agent in self.agents:
            self.assertEqual(agent.metrics().value("imagepull_failures_total", registry=self.cluster.open.host),
                             self.tries()[self.cluster.open.host])

    def test_a_list_counts_what_was_known_before(self):
        tries = self.tries()
        self.assert_counted({name: tries[self.cluster.endpoints[name]] for name in ("no-such-tag", "busy")})

    def test_a_list_counts_pods_that_were_created_meanwhile(self):
        tries = self.tries()
        self.assert_counted({name: tries[self.cluster.endpoints[name]] for name in NEW}, seconds=5)

    def test_the_reasons_of_the_reconnects(self):
        self.assertEqual(set(self.reconnects_of_resumed), {"network"})
        for source in ("pods", "events"):
            self.assertIn("expired", self.reconnects(source))
            self.assertIn("network", self.reconnects(source))

    def test_warnings_name_what_is_read_and_say_that_it_goes_on(self):
        for agent in self.agents:
            warnings = self.warnings(agent)
            for what in ("watch pods of node node-1: ", f"watch events of namespace {self.team}: "):
                self.assertTrue(any(what in line for line in warnings), warnings)
            for line in warnings:
                self.assertRegex(line, "; retrying in [0-9.]+s")
