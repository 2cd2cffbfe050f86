# SPDX-License-Identifier: Apache-2.0
"""deploy/README.md: its links, and its commands that need no cluster, run in a copy as a new user would."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

import yaml

import kubectl
import schema

README = os.path.join(kubectl.ROOT, "deploy", "README.md")


class Readme(unittest.TestCase):
    def setUp(self):
        with open(README) as source:
            self.text = source.read()

    def block(self, words):
        found = [block for block in re.findall(r"^```sh\n(.*?)^```", self.text, re.M | re.S) if words in block]
        self.assertEqual(len(found), 1, words)
        return found[0]

    def test_links_lead_somewhere(self):
        for target in re.findall(r"\]\(([^)#]+)\)", self.text):
            self.assertTrue(os.path.exists(os.path.join(os.path.dirname(README), target)), target)

    def test_the_overlay_of_ones_own(self):
        with tempfile.TemporaryDirectory() as checkout:
            shutil.copytree(os.path.dirname(README), os.path.join(checkout, "deploy"))
            path = os.path.dirname(kubectl.path()) + os.pathsep + os.environ["PATH"]
            done = subprocess.run(["sh", "-eu"], input=self.block("mkdir -p my-cluster"), cwd=checkout, text=True,
                                  capture_output=True, env={**os.environ, "PATH": path})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        objects = list(yaml.safe_load_all(done.stdout))
        for each in objects:
            schema.check(each)
        image, = (each["spec"]["template"]["spec"]["containers"][0]["image"] for each in objects
                  if each["kind"] == "DaemonSet")
        self.assertEqual(image, "registry.example.com/platform/imagepull-exporter:0.1.0")
        self.assertEqual(sum(each["kind"] == "PrometheusRule" for each in objects), 3)

    def test_the_rules_are_accepted(self):
        done = subprocess.run(["sh", "-eu"], input=self.block("promtool check rules"), cwd=kubectl.ROOT, text=True,
                              capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_commands_for_make_name_targets(self):
        with open(os.path.join(kubectl.ROOT, "Makefile")) as source:
            targets = set(re.findall(r"^([a-z][a-z0-9-]*):", source.read(), re.M))
        named = set(re.findall(r"(?:^|`)make ([a-z0-9-]+)", self.text, re.M))
        self.assertGreaterEqual(named, {"image", "check-e2e"})
        self.assertLessEqual(named, targets)


if __name__ == "__main__":
    unittest.main()
