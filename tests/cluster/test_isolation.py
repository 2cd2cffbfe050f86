# SPDX-License-Identifier: Apache-2.0
"""in-namespaces leaves nothing behind, however it ends, and two clusters run side by side."""

import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import unittest

from case import HERE, wait_for

ANY_RUNTIME = True

# It mounts something, and starts a process that ignores signals, in a session and a control group of its own. Then it
# prints its folder and waits for a line. A signal ends it with the status 100 + number.
COMMAND = r"""
cgroups=/sys/fs/cgroup; [ ! -d $cgroups/memory ] || cgroups=$cgroups/memory
group=$cgroups/${CLUSTER_SCRATCH##*/}/pod/container
mkdir -p $group $CLUSTER_SCRATCH/mounted && mount -t tmpfs tmpfs $CLUSTER_SCRATCH/mounted || exit 1
setsid sh -c 'trap "" INT TERM HUP; while :; do sleep 1; done' >/dev/null </dev/null &
echo $! >$group/cgroup.procs || exit 1
trap 'exit 102' INT
trap 'exit 115' TERM
echo $CLUSTER_SCRATCH
read line
exit 7
"""
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": {
    "containers": [{"name": "app", "image": "lab.local/pause:1", "imagePullPolicy": "Never"}]}}


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as found:
        return [int(child) for child in found.read().split()]


def is_in(namespace, pid):
    try:
        return os.readlink(f"/proc/{pid}/ns/pid") == namespace
    except OSError:
        return False


class Started:
    """in-namespaces with a command whose first line of output names its folder, and what it makes on this machine."""

    def __init__(self, test, *command, entered=None):
        self.outer = subprocess.Popen([os.path.join(HERE, "in-namespaces"), *command], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True, start_new_session=True)
        test.addCleanup(self.outer.communicate)
        test.addCleanup(self._kill)
        self.first_line = self.outer.stdout.readline()
        self.scratch = (entered or str.strip)(self.first_line)
        with open(os.path.join(self.scratch, "pid")) as pid:
            self.unshare = int(pid.read())
        self.namespace = os.readlink(f"/proc/{self.unshare}/ns/pid_for_children")
        self.command = children(children(self.unshare)[0])[0]

    def _kill(self):
        if self.outer.poll() is None:
            os.killpg(self.outer.pid, signal.SIGKILL)

    def processes(self):
        return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and is_in(self.namespace, pid)]

    def groups(self):
        name = os.path.basename(self.scratch)
        return [group for group in [f"/sys/fs/cgroup/{name}", *glob.glob(f"/sys/fs/cgroup/*/{name}")]
                if os.path.exists(group)]


class InNamespaces(unittest.TestCase):
    def start(self):
        started = Started(self, "sh", "-c", COMMAND)
        self.assertGreaterEqual(len(started.processes()), 3)
        self.assertNotEqual(started.groups(), [])
        return started

    def assert_nothing_is_left(self, started, status=None):
        if status is not None:
            self.assertEqual(started.outer.wait(60), status)
            # The status arrives when all is removed.
            self.assertEqual((os.path.exists(started.scratch), started.groups()), (False, []))
        wait_for(lambda: self.assertEqual((started.processes(), started.groups(), os.path.exists(started.scratch)),
                                          ([], [], False)), "nothing is left", 60)
        with open("/proc/self/mounts") as mounts:
            self.assertNotIn(os.path.basename(started.scratch), mounts.read())

    def test_the_command_is_killed(self):
        started = self.start()
        os.kill(started.command, signal.SIGKILL)
        self.assert_nothing_is_left(started, status=128 + signal.SIGKILL)

    def test_the_process_that_made_the_namespaces_is_killed(self):
        started = self.start()
        os.kill(started.unshare, signal.SIGKILL)
        self.assert_nothing_is_left(started, status=128 + signal.SIGKILL)

    def test_the_script_is_killed(self):
        started = self.start()
        started.outer.kill()
        self.assert_nothing_is_left(started)

    def test_the_process_group_is_killed(self):
        started = self.start()
        os.killpg(started.outer.pid, signal.SIGKILL)
        self.assert_nothing_is_left(started)

    def test_the_command_decides_what_a_signal_to_the_process_group_means(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number.name):
                started = self.start()
                os.killpg(started.outer.pid, number)
                self.assert_nothing_is_left(started, status=100 + number)

    def test_the_status_is_that_of_the_command_and_a_folder_can_be_kept(self):
        started = self.start()
        self.addCleanup(shutil.rmtree, started.scratch)
        with open(os.path.join(started.scratch, "keep"), "w"):
            pass
        started.outer.communicate("\n")
        self.assertEqual(started.outer.returncode, 7)
        self.assertEqual((started.processes(), started.groups()), ([], []))
        self.assertTrue(os.path.exists(started.scratch))


class Clusters(unittest.TestCase):
    """Two at the same time, entered as their first lines of output say."""

    assert_nothing_is_left = InNamespaces.assert_nothing_is_left

    def start(self):
        suite = os.environ.get("CLUSTER_SUITE")
        options = ["--suite", suite] if suite else []
        return Started(self, sys.executable, os.path.join(HERE, "cluster.py"), "up", *options,
                       entered=lambda line: os.path.dirname(os.path.dirname(line.split()[-1])))

    def description(self, cluster):
        with open(cluster.first_line.split()[-1]) as described:
            return json.load(described)

    def kubectl(self, cluster, *arguments, **options):
        facts = self.description(cluster)
        return subprocess.run([*facts["enter"].split(), facts["kubectl"], "--kubeconfig", facts["kubeconfig"],
                               *arguments], check=True, stdout=subprocess.PIPE, text=True, **options).stdout

    def test_two_clusters_know_nothing_of_each_other_and_leave_nothing(self):
        clusters = [self.start(), self.start()]
        for cluster in clusters:
            self.assertIn(self.description(cluster)["enter"], cluster.outer.stdout.readline())
            self.kubectl(cluster, "create", "-f", "-", input=json.dumps(POD))
        for cluster in clusters:
            wait_for(lambda cluster=cluster: self.assertEqual(
                self.kubectl(cluster, "get", "pods", "--all-namespaces", "-o", "jsonpath={.items[*].status.phase}"),
                "Running"), "its only pod runs")
            self.assertNotEqual(cluster.groups(), [])
        os.kill(clusters[0].command, signal.SIGKILL)
        self.assert_nothing_is_left(clusters[0], status=128 + signal.SIGKILL)
        os.killpg(clusters[1].outer.pid, signal.SIGTERM)
        self.assert_nothing_is_left(clusters[1], status=0)
