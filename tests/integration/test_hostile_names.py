# SPDX-License-Identifier: Apache-2.0
"""Names that a tenant chose, with a password or with bytes that a terminal obeys, in all that the agent writes."""

import json
import re
import subprocess
import unittest

import support
from fault_story import FaultStory
from pods import pod, waiting

PASSWORD = "hunter2hunter2"
LOGIN = f"https://bob:{PASSWORD}@r.example.com/x:1"
TERMINAL = "r.example.com/x\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp.\u200b:1"
TOKEN = "r.example.com/x?token=" + PASSWORD
# What a name may do to a reader: controls, C1 controls, directions, invisible characters.
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
LEAK = re.compile(r"hunter2")


def refused(image):
    return f"Failed to apply default image tag {json.dumps(image)}: couldn't parse image name {json.dumps(image)}: " \
           "invalid reference format"


class HostileNames(FaultStory):
    events = True

    def flags(self):
        return [*super().flags(), "--log.level=debug"]

    def setUp(self):
        super().setUp()
        for name, image in (("login", LOGIN), ("terminal", TERMINAL), ("token", TOKEN)):
            self.pods.create(pod(name, image=image, imagePullSecrets=[{"name": "cred\x1b[2J"}]),
                             waiting("InvalidImageName", refused(image)))
        uid = self.pods.create(pod("event"), waiting("ErrImagePull", f"password: {PASSWORD}"))
        self.start()
        self.pods.record({
            "metadata": {"name": f"event.{uid}", "namespace": "default"}, "reason": "Failed\x1b[2J", "type": "Warning",
            "involvedObject": {"kind": "Pod", "namespace": "default", "name": "event", "uid": uid,
                               "fieldPath": "spec.containers{app}"},
            "message": f"Failed to pull image {json.dumps(LOGIN)}: Authorization: Basic Ym9iOmh1bnRlcjJodW50ZXIy",
            "source": {"component": "kubelet", "host": "lab-node"}, "count": 1,
            "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z"})

        def all_there():
            failures = self.agent.failures()
            for name in ("login", "terminal", "token", "event"):
                self.assertIn((name, "app"), failures)

        support.wait_for(all_there, "the hostile pods are shown")

    def outputs(self):
        for path in ("/debug/failures", "/debug/failures/default/login", "/debug/images", "/debug/sources",
                     "/debug/events", "/"):
            yield path, self.agent.get(path)[1]
        yield "/metrics", self.agent.get("/metrics", self.agent.web)[1]
        for flag in ("--output=table", "--output=json"):
            done = subprocess.run([support.agent_binary(), "status", flag,
                                   f"--debug.listen-address=127.0.0.1:{self.agent.debug[1]}"],
                                  capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
            yield "status " + flag, done.stdout.decode() + done.stderr.decode()
        yield "the log", self.agent.log()

    def test_no_output_has_a_secret_or_controls_a_terminal(self):
        for what, text in self.outputs():
            with self.subTest(what):
                self.assertIsNone(LEAK.search(text), what)
                self.assertNotIn("Ym9iOmh1bnRlcjJodW50ZXIy", text)
                if what != "/":  # the page is our own; its data comes from the JSON above
                    self.assertEqual(OBEYED.findall(text), [])
        self.assertIn('image="https://REDACTED@r.example.com/x:1"', self.agent.get("/metrics", self.agent.web)[1])

    def test_json_has_no_such_character_either(self):
        """JSON has escapes, so its texts are looked at, too."""
        for path in ("/debug/failures", "/debug/images", "/debug/events"):
            texts = []
            json.loads(self.agent.get(path)[1], object_hook=lambda o, t=texts: t.extend(
                v for v in o.values() if isinstance(v, str)) or o)
            self.assertTrue(texts)
            for text in texts:
                self.assertEqual(OBEYED.findall(text), [], text)


if __name__ == "__main__":
    unittest.main()
