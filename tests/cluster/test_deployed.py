# SPDX-License-Identifier: Apache-2.0
"""The agent installed as deploy/README.md says: a built image, pulled by the kubelet, in a pod of the DaemonSet."""

import base64
import glob
import http.client
import json
import os
import re
import signal
import stat
import subprocess
import threading

from case import wait_for
from deployed import DEBUG_SOCKET, NAME, NEXT_VERSION, BuiltImage, Deployed, permissions

import tools
from agent import Metrics
from images import digest_of
from procs import Process, clean_environment

ANY_RUNTIME = True

MEMORY_LIMIT = 48 << 20  # as in deploy/kustomize/base/daemonset.yaml
# (cgroups of version 1, of version 2)
LIMIT_FILES = ("memory.limit_in_bytes", "memory.max")
PEAK_FILES = ("memory.max_usage_in_bytes", "memory.peak")


def claims(token):
    """The content of a token, not verified."""
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


class Scraper:
    """
    Reads /metrics of every pod of the agent, again and again, as a Prometheus does that knows each pod at once.
    Remembers when none of them showed the blocked container `pod`.
    """

    def __init__(self, agent, pod):
        self._agent, self._pod = agent, pod
        self.rounds, self.gaps = 0, []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._ended.is_set():
            self.rounds += 1
            # Twice: when the pods are asked, the list of them can be out of date.
            if not self._shown() and not self._shown():
                self.gaps.append([pod["metadata"]["name"] for pod in self._agent.pods()])

    def _shown(self):
        return any(self._shows(pod) for pod in self._agent.pods())

    def _shows(self, pod):
        try:
            return self._agent.metrics(pod).find("imagepull_container_blocked_info", pod=self._pod)
        except (KeyError, OSError, AssertionError, http.client.HTTPException):
            return False  # it has no address yet, or it has ended

    def stop(self):
        self._ended.set()
        self._thread.join()


class TheDaemonSet(Deployed):
    def blocked_pod(self, name):
        """A pod that the agent shows. Returns (namespace, the agent's entry)."""
        namespace = self.namespace()
        self.create_pod(namespace, name, self.bad())
        return namespace, self.eventually_shown(namespace, name, cause="not_found")

    def container(self):
        status, = self.agent.pod()["status"]["containerStatuses"]
        return status

    def cgroup_files(self, names):
        """The contents of a file in the control group of the agent's container. `names`: in either version."""
        name = self.container()["containerID"].rpartition("/")[2]
        for path in glob.glob(f"/sys/fs/cgroup/**/{name}", recursive=True):
            for file in names:
                if os.path.exists(os.path.join(path, file)):
                    with open(os.path.join(path, file)) as content:
                        return content.read().split()
        self.fail(f"no control group of {name} has {' or '.join(names)}")

    def test_the_kubelet_pulled_the_image_that_was_built(self):
        image, _, version = self.container()["image"].rpartition(":")
        self.assertEqual(image, f"{self.cluster.open.host}/platform/{NAME}")
        self.assertTrue(any(message.startswith(f'Successfully pulled image "{image}:{version}"')
                            for message in self.events("Pulled", self.agent.pod())), self.description_of_pods())
        self.assertEqual(self.container()["imageID"], f"{image}@{digest_of(BuiltImage(version).manifest)}")

    def test_it_is_right_about_pods_of_this_cluster(self):
        namespace, _ = self.blocked_pod("typo")
        self.create_pod(namespace, "works", self.works())
        self.eventually_runs(namespace, "works")
        self.assert_true_to_kubelet(namespace)
        self.assertEqual({f["pod"] for f in self.agent.failures_of(namespace)}, {"typo"})

    def test_exec_status_tells_what_is_blocked_within_the_memory_limit(self):
        namespace, _ = self.blocked_pod("billing")
        status, output, _ = self.command("status")
        self.assertEqual(status, 1)
        self.assertIn(f"{namespace}/billing", output)
        self.assertIn("Sources: pods up, events up, cri up", output)
        self.api.delete("namespaces", namespace, namespace=None)
        self.assertEqual([int(each) for each in self.cgroup_files(LIMIT_FILES)], [MEMORY_LIMIT])
        self.assertLess(int(*self.cgroup_files(PEAK_FILES)), MEMORY_LIMIT)

    def test_port_forward_leads_to_the_metrics(self):
        log = self.cluster.path("port-forward.log")
        command, environment = tools.kubectl_command(
            self.cluster.admin_kubeconfig, "--namespace", NAME, "port-forward", "daemonset/" + NAME, ":metrics")
        forward = Process("port-forward", command, log, environment)
        self.addCleanup(forward.stop)

        def port():
            with open(log) as lines:
                return re.search(r"Forwarding from 127\.0\.0\.1:(\d+) -> 9917", lines.read())

        connection = http.client.HTTPConnection("127.0.0.1", int(forward.wait_until(port, "its port")[1]), timeout=60)
        self.addCleanup(connection.close)
        connection.request("GET", "/metrics")
        metrics = Metrics(connection.getresponse().read().decode())
        self.assertEqual(metrics.value("imagepull_source_up", source="pods"), 1)

    def test_the_node_reaches_the_debug_socket(self):
        namespace, _ = self.blocked_pod("shop")
        done = subprocess.run(["curl", "-sS", "--unix-socket", DEBUG_SOCKET, "http://localhost/debug/failures"],
                              cwd=self.agent.debug_folder(), env=clean_environment(), capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        answer = json.loads(done.stdout)
        self.assertEqual(answer["node"], self.cluster.node)
        self.assertIn((namespace, "shop"), {(f["namespace"], f["pod"]) for f in answer["failures"]})
        found = os.stat(os.path.join(self.agent.debug_folder(), DEBUG_SOCKET))
        self.assertEqual((stat.S_ISSOCK(found.st_mode), stat.S_IMODE(found.st_mode), found.st_uid), (True, 0o600, 65532))

    def test_it_asks_the_api_server_only_for_what_its_role_allows(self):
        namespace, _ = self.blocked_pod("audited")
        wait_for(lambda: ("watch", "events") in permissions(self.requests()), "it watches events")
        requests = self.requests()
        self.assertEqual(permissions(requests) - {("list", "pods")},
                         {("watch", "pods"), ("list", "events"), ("watch", "events")})
        self.assertEqual([r for r in requests if r.get("responseStatus", {}).get("code", 200) >= 400], [])
        for request in requests:
            if request["objectRef"]["resource"] == "pods":
                self.assertIn("fieldSelector=spec.nodeName%3D" + self.cluster.node, request["requestURI"])
            else:
                self.assertIn("namespace", request["objectRef"], request["requestURI"])

    def test_it_reads_a_new_token_again(self):
        """
        The kubelet renews a token after 80 % of its life, and no life is shorter than 10 minutes. But a kubelet that
        starts again does not know its tokens any more, and writes new ones.
        """
        pod = self.agent.pod()
        pattern = (f"{self.cluster.kubelet.folder}/kubelet/pods/{pod['metadata']['uid']}/volumes/"
                   "kubernetes.io~projected/*/token")

        def name_of_token():
            path, = glob.glob(pattern)
            with open(path) as token:
                return "JTI=" + claims(token.read())["jti"]

        def names_of_requests():
            return {name for request in self.requests(pod)
                    for name in request["user"]["extra"]["authentication.kubernetes.io/credential-id"]}

        first = name_of_token()
        self.assertEqual(names_of_requests(), {first})
        self.cluster.kubelet.restart()
        wait_for(lambda: name_of_token() != first, "the kubelet writes a new token")
        second = name_of_token()
        self.blocked_pod("makes-it-ask")  # it reads the events of this namespace
        wait_for(lambda: self.assertIn(second, names_of_requests()), "a request with the new token")
        self.assertEqual(self.agent.pod()["metadata"]["uid"], pod["metadata"]["uid"])

    def test_the_kubelet_restarts_an_agent_that_hangs(self):
        self.assertEqual(self.container()["restartCount"], 0)
        for process in self.cgroup_files(("cgroup.procs",)):
            os.kill(int(process), signal.SIGSTOP)
        wait_for(lambda: self.container()["restartCount"] == 1 and self.container()["ready"], "it runs again")
        self.assertIn(f"Container {NAME} failed liveness probe, will be restarted",
                      self.events("Killing", self.agent.pod()))
        self.blocked_pod("after-the-restart")

    def test_no_update_leaves_a_gap_in_the_metrics(self):
        namespace, before = self.blocked_pod("stays-blocked")
        first = self.agent.pod()
        scraper = Scraper(self.agent, "stays-blocked")
        self.addCleanup(scraper.stop)
        self.assertEqual(self.kubectl("--namespace", NAME, "rollout", "restart", "daemonset/" + NAME)[0], 0)
        self.rollout()
        self.assertNotEqual(self.agent.pod()["metadata"]["uid"], first["metadata"]["uid"])
        self.deploy(version=NEXT_VERSION)
        self.assertTrue(self.container()["image"].endswith(":" + NEXT_VERSION), self.container()["image"])
        scraper.stop()
        self.assertEqual(scraper.gaps, [], f"in {scraper.rounds} rounds")
        # The debug socket of the last agent.
        after = self.eventually_shown(namespace, "stays-blocked", cause="not_found")
        self.assertEqual(after["pod_uid"], before["pod_uid"])
        self.assertEqual(self.command("status")[0], 1)
