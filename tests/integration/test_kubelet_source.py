# SPDX-License-Identifier: Apache-2.0
"""The agent with --kube.source=kubelet and recorded pods of a real kubelet."""

import copy
import json
import os
import unittest

import support
from kubelet_api import KubeletApi

with open(os.path.join(support.RECORDINGS, "kubelet.pods.json")) as _recorded:
    PODS = json.load(_recorded)["items"]
with open(os.path.join(support.RECORDINGS, "expected.json")) as _expected:
    # The kubelet was recorded a moment after the API server, so it contains only its own statuses.
    FAILING = [w for w in json.load(_expected) if "state" not in w]


def healed(pods, name):
    """The pods; all containers of the named one run."""
    pods = copy.deepcopy(pods)
    status = next(p for p in pods if p["metadata"]["name"] == name)["status"]
    status["phase"] = "Running"
    for container in status["containerStatuses"]:
        container["state"] = {"running": {"startedAt": "2026-11-21T21:45:00Z"}}
    return pods


class KubeletSource(unittest.TestCase):
    def setUp(self):
        folder = support.Folder()
        self.addCleanup(folder.remove)
        self.kubelet = KubeletApi(os.path.join(folder.path, "kubelet"), PODS)
        self.addCleanup(self.kubelet.stop)

    def start(self, *flags, ready=True):
        agent = support.start_agent(self, ["--node-name=lab-node", *(flags or self.kubelet.agent_flags()),
                                           "--cri.endpoint=unix:///nonexistent/containerd.sock"])
        if ready:
            agent.wait_ready()
        else:
            agent.wait_listening()
        return agent

    def warnings(self, agent):
        return [line for line in agent.log().splitlines() if "component=pods" in line and "level=warn" in line]

    def up(self, agent):
        return agent.metrics().value("imagepull_source_up", source="pods")

    def test_every_failure_of_the_recording_is_shown(self):
        agent = self.start()
        shown = agent.failures()
        self.assertEqual(set(shown), {(w["pod"], w["container"]) for w in FAILING})
        for wanted in FAILING:
            failure = shown[(wanted["pod"], wanted["container"])]
            self.assertEqual(failure["cause"], wanted["cause"], wanted)
            # Only an event reports a missing Secret, and a kubelet serves no events.
            if wanted.get("reason") not in (None, "pull_secret_missing"):
                self.assertEqual(failure["reason"], wanted["reason"], wanted)
        self.assertEqual(self.up(agent), 1)
        self.assertEqual(agent.metrics().find("imagepull_source_up", source="events"), [])
        self.assertEqual({(path, accept) for path, accept, _ in self.kubelet.requests},
                         {("/pods", "application/json")})

    def test_changes_are_seen_while_a_container_waits(self):
        agent = self.start()
        self.kubelet.pods = [p for p in healed(PODS, "err503") if p["metadata"]["name"] != "ratelimit"]

        def seen():
            shown = agent.failures()
            self.assertEqual(shown[("err503", "app")]["state"], "recovered")
            self.assertEqual(shown[("ratelimit", "app")]["state"], "gone")

        support.wait_for(seen, "one recovers, one is gone")
        self.assertIn(agent.failures()[("net-dns", "app")]["state"], ("failing", "backing_off"))

    def test_a_refusal_is_logged_once_and_the_state_is_kept(self):
        agent = self.start()
        before = set(agent.failures())
        for status, word in ((401, "webhook authentication"), (403, "nodes/pods")):
            logged = len(self.warnings(agent))
            answered = len(self.kubelet.requests)
            self.kubelet.refusal = status
            support.wait_for(lambda: self.assertEqual(self.up(agent), 0), f"{status} sets the metric to 0")
            support.wait_for(lambda: self.assertGreaterEqual(
                [s for _, _, s in self.kubelet.requests[answered:]].count(status), 3), "it is tried again")
            lines = self.warnings(agent)[logged:]
            self.assertEqual(len(lines), 1, lines)
            self.assertIn(f"the kubelet answered {status}", lines[0])
            self.assertIn(word, lines[0])
            self.assertEqual(set(agent.failures()), before)
            self.kubelet.refusal = None
            support.wait_for(lambda: self.assertEqual(self.up(agent), 1), "it recovers")
        self.assertEqual(agent.log().count("works again"), 2)
        reconnects = agent.metrics().value("imagepull_source_reconnects_total", source="pods", reason="refused")
        self.assertGreaterEqual(reconnects, 6)

    def test_a_rotated_token_is_read_again(self):
        agent = self.start()
        self.kubelet.rotate_token()
        answered = len(self.kubelet.requests)
        support.wait_for(lambda: self.assertGreater(len(self.kubelet.requests), answered), "it asks again")
        self.assertEqual({s for _, _, s in self.kubelet.requests[answered:]}, {200})
        self.assertEqual(self.warnings(agent), [])

    def test_an_untrusted_certificate_is_refused_by_default(self):
        url, token = f"--kube.kubelet-url={self.kubelet.url}", f"--kube.token-file={self.kubelet.token_file}"
        agent = self.start("--kube.source=kubelet", url, token, ready=False)
        support.wait_for(lambda: self.assertEqual(len(self.warnings(agent)), 1), "a warning")
        self.assertIn("certificate", self.warnings(agent)[0])
        self.assertEqual(self.kubelet.requests, [], "no token goes to a stranger")

        agent = self.start("--kube.source=kubelet", url, token, "--kube.kubelet-insecure-skip-tls-verify=true")
        self.assertEqual(len(agent.failures()), len(FAILING))
        self.assertEqual(len([line for line in self.warnings(agent) if "is not verified" in line]), 1)


if __name__ == "__main__":
    unittest.main()
