# SPDX-License-Identifier: Apache-2.0
"""tests/cluster/tools.py: what it says when a program cannot be had. It never passes silently."""

import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLUSTER = os.path.join(ROOT, "tests", "cluster")


def ask_for(program, **environment):
    """(status, output) of a process that needs `program`."""
    script = f"import sys; sys.path.insert(0, {CLUSTER!r}); import tools; print(tools.path({program!r}))"
    keep = {name: value for name, value in os.environ.items() if name != "CLUSTER_TOOLS"}
    done = subprocess.run([sys.executable, "-c", script], env={**keep, **environment}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


class ClusterTools(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def test_programs_of_a_folder_are_used(self):
        program = os.path.join(self.folder, "kubelet")
        with open(program, "w") as out:
            out.write("#!/bin/sh\n")
        os.chmod(program, 0o755)
        self.assertEqual(ask_for("kubelet", CLUSTER_TOOLS=self.folder), (0, program + "\n"))

    def test_folder_without_the_program_is_an_error(self):
        status, output = ask_for("kubelet", CLUSTER_TOOLS=self.folder)
        self.assertEqual(status, 1)
        self.assertIn(f"CLUSTER_TOOLS is '{self.folder}', and there is no program 'kubelet' in it", output)

    def test_missing_go_is_an_error(self):
        status, output = ask_for("kubelet", PATH=self.folder, CLUSTER_TOOLS_CACHE=self.folder)
        self.assertEqual(status, 1)
        self.assertIn("there is no command 'go'", output)
        self.assertIn("CLUSTER_TOOLS", output)

    def test_failure_of_go_is_shown(self):
        go = os.path.join(self.folder, "go")
        with open(go, "w") as out:
            out.write("#!/bin/sh\necho 'go: this version is too old' >&2\nexit 1\n")
        os.chmod(go, 0o755)
        status, output = ask_for("kubelet", PATH=self.folder, CLUSTER_TOOLS_CACHE=self.folder)
        self.assertEqual(status, 1)
        self.assertIn("ended with status 1:\ngo: this version is too old", output)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "kubelet.stamp")))


class InNamespaces(unittest.TestCase):
    def test_cluster_outside_of_them_is_an_error(self):
        script = f"import sys; sys.path.insert(0, {CLUSTER!r}); import cluster; cluster.Cluster()"
        keep = {name: value for name, value in os.environ.items() if name != "CLUSTER_SCRATCH"}
        done = subprocess.run([sys.executable, "-c", script], env=keep, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("start this program with tests/cluster/in-namespaces", done.stdout)
