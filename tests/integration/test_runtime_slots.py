# SPDX-License-Identifier: Apache-2.0
"""
containerd has 3 download slots. Before 2.1 (trixie) each pull has its own. Since then (sid) they are those of the node,
and a layer is listed as in flight while it waits for a slot.
"""

import json
import unittest

import runtimes
import support

load_tests = runtimes.on_suites(["trixie", "sid"])

STALL_AFTER = 8
# The longest time between two polls of the runtime while a container waits.
POLL = 5
# A false alarm would come within this time.
NO_ALARM = STALL_AFTER + POLL + 2
SLOTS = 3


class Slots(runtimes.OnARuntime):
    agent_options = (*runtimes.OnARuntime.agent_options, f"--stall-after={STALL_AFTER}s")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        version = cls.lab.containerd.version().lstrip("v").split(".")
        cls.slots_of_the_node = (int(version[0]), int(version[1])) >= (2, 1)

    def incidents(self, pod):
        return [failure for (name, _), failure in self.agent.failures().items() if name == pod]

    def assert_no_incident(self, pod):
        """Except that a busy machine can need more than STALL_AFTER until the first byte comes; that is over then."""
        self.assertEqual([failure for failure in self.incidents(pod)
                          if failure["reason"] != "response_timeout" or not failure["ended"]], [])

    def layers_in_flight(self):
        """[(name, size so far)] of the layers that containerd lists, without the unit of the size."""
        lines = self.lab.containerd.ctr("content", "active").splitlines()[1:]
        return [line.split()[:2] for line in lines if line.startswith("layer-")]

    def test_a_layer_that_waits_for_its_slot_is_not_a_stall(self):
        registry = self.lab.endpoints["six-layers"]
        self.create("six-layers", registry + "/team/app:v1")
        # The first three layers take longer than the test watches them. The runtime chooses which are the first.
        listed = 2 * SLOTS if self.slots_of_the_node else SLOTS
        support.wait_for(lambda: len(self.layers_in_flight()) == listed, f"{listed} layers are listed")
        support.wait_for(lambda: all(failure["ended"] for failure in self.incidents("six-layers")), "the agent sees them")
        self.holds_for(NO_ALARM, lambda: self.assert_no_incident("six-layers"))
        self.assertEqual(len(self.layers_in_flight()), listed)
        self.lab.registries.set_pace("six-layers")
        self.eventually_runs("six-layers")
        self.assert_no_incident("six-layers")

    def test_pulls_behind_stalled_layers_are_named(self):
        """Three layers stall. Another image, in a healthy registry, shares nothing with them."""
        holder, waiter = self.lab.endpoints["three-layers"] + "/team/app:v1", self.lab.open.image("lab/big", "1")
        self.create("holder", holder)
        support.wait_for(lambda: len(self.layers_in_flight()) == SLOTS, "three layers are in flight")
        self.create("waiter", waiter)
        found = self.eventually_shown("holder", state="stalled", reason="pull_stalled")
        self.assertEqual(found["stall"]["waits_for"], "bytes")
        if not self.slots_of_the_node:
            self.eventually_runs("waiter")
            self.assert_no_incident("waiter")
            self.assertEqual(self.failure("holder")["stall"]["waiting_behind"], [])
        else:
            self.check_both_are_named(holder, waiter)
        self.lab.registries.set_pace("three-layers")
        self.eventually_runs("holder", "waiter")
        self.eventually_shown("holder", state="recovered")

    def check_both_are_named(self, holder, waiter):
        found = self.eventually_shown("waiter", state="stalled", reason="pull_stalled")
        self.assertEqual(found["stall"]["waits_for"], "download_slot")
        self.assertEqual(found["stall"]["held_by"],
                         [{"namespace": "default", "pod": "holder", "container": "app", "image": holder}])
        self.assertIn(f"the node's {SLOTS} download slots are held by default/holder ({holder})", found["advice"])
        self.assertEqual(self.failure("holder")["stall"]["waiting_behind"],
                         [{"namespace": "default", "pod": "waiter", "container": "app", "image": waiter}])
        images = {i["image"]: i for i in json.loads(self.agent.get("/debug/images")[1])["images"]}
        self.assertEqual((images[waiter]["phase"], images[waiter]["waiting_behind"]), ("slot_queue", [holder]))

    def test_registry_that_never_answers_is_a_stall(self):
        registry = self.lab.endpoints["never-answers"]
        self.create("unanswered", registry + "/team/app:v1")
        found = self.eventually_shown("unanswered", state="stalled", reason="response_timeout")
        self.assertEqual((found["stall"]["waits_for"], found["stall"]["layer"], found["stall"]["bytes"]),
                         ("answer", None, 0))
        self.assertIn(f"Probably {registry} accepts connections", found["advice"])
        self.lab.api.delete("pods", "unanswered")
        self.eventually_shown("unanswered", state="gone")


if __name__ == "__main__":
    unittest.main()
