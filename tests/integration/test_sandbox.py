# SPDX-License-Identifier: Apache-2.0
"""
The agent in its sandbox (--sandbox=on), in each of its modes: all threads are shut in, everything works, and no system
call or file that the agent or a library wanted was refused. strace sees each call and its result.
"""

import os
import re
import shutil
import socket
import stat
import subprocess
import unittest

import support
from agent import Agent
from certs import make_ca, make_server_certificate
from cri_double import CriDouble
from crio_story import cri_server
from kubelet_api import KubeletApi
from pods import Pods, pod
from procs import require, run
from test_web_tls import PASSWORD, hashed

# glibc tries clone3, whose flags a filter cannot see, and then uses clone.
MAY_BE_MISSING = {"clone3"}
NO_RUNTIME = "--cri.endpoint=unix:///nonexistent/containerd.sock"
REFUSED = re.compile(r"(?:^\d+ +|<\.\.\. )(\w+)(?:\(| resumed).* = -1 (ENOSYS|EACCES|EPERM|EROFS) ")


class Shut(unittest.TestCase):
    def setUp(self):
        folder = support.Folder()
        self.addCleanup(folder.remove)
        self.folder = folder.path
        self.trace = os.path.join(self.folder, "trace")

    def start(self, *flags, debug=None):
        """An agent under strace. With -D, strace is the child, so that the agent gets the signals."""
        wrapper = os.path.join(self.folder, "traced-agent")
        with open(wrapper, "w") as out:
            out.write(f'#!/bin/sh\nexec {require("strace", "strace")} -D -f -qq -o {self.trace} '
                      f'{support.agent_binary()} "$@"\n')
        os.chmod(wrapper, 0o755)
        agent = Agent(wrapper, ["--node-name=lab-node", *flags], os.path.join(self.folder, "agent.log"),
                      debug)
        self.addCleanup(support._end_well, agent)
        return agent

    def assert_shut_in(self, agent):
        """Every thread."""
        self.assertRegex(agent.log(), r'msg="shut in: seccomp, Landlock ABI \d+"')
        threads = os.listdir(f"/proc/{agent.pid}/task")
        self.assertGreater(len(threads), 2)
        for thread in threads:
            with open(f"/proc/{agent.pid}/task/{thread}/status") as status:
                text = status.read()
            self.assertIn("\nSeccomp:\t2\n", text)
            self.assertIn("\nNoNewPrivs:\t1\n", text)

    def assert_nothing_was_refused(self, agent):
        """Ends the agent."""
        status, _ = agent.stop()
        self.assertEqual(status, 0, agent.log()[-3000:])
        with open(self.trace) as trace:
            lines = trace.read().splitlines()
        begun = next(i for i, line in enumerate(lines) if re.search(r"\bseccomp\(SECCOMP_SET_MODE_FILTER.* = 0$", line))
        self.assertTrue(any("landlock_restrict_self" in line and line.endswith(" = 0") for line in lines[:begun]))
        self.assertGreater(len(lines) - begun, 100)
        refused = [line for line in lines[begun:]
                   if (found := REFUSED.search(line)) and found[1] not in MAY_BE_MISSING]
        self.assertEqual(refused, [])

    def up(self, agent):
        return {s.labels["source"]: s.value for s in agent.metrics().find("imagepull_source_up")}

    def eventually_up(self, agent, **sources):
        support.wait_for(lambda: self.assertEqual(self.up(agent), {**self.up(agent), **sources}), "the sources are up")

    def answers(self, address):
        """The status of a request to a unix socket; 0 if nobody listens."""
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(address)
            except OSError:
                return 0
            client.sendall(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
            return int(client.recv(100).split()[1])

    # --- the modes ---

    def test_api_server_by_name_and_runtime(self):
        """And a token and a CA that change, DNS, a runtime that restarts, every process_* metric."""
        double = support.start_api(self, self.folder)
        double.url = double.url.replace("127.0.0.1", "localhost")
        runtime = CriDouble(cri_server(), os.path.join(self.folder, "cri.sock"))
        self.addCleanup(runtime.stop)
        agent = self.start(*double.agent_flags(), f"--cri.endpoint={runtime.endpoint}")
        agent.wait_ready()
        self.assert_shut_in(agent)
        self.eventually_up(agent, pods=1, events=1, cri=1)
        pods = Pods(double.client())
        for name in ("first", "second", "third"):
            if name == "second":
                double.rotate_token()
                double.cut()
            if name == "third":
                double.write_ca(double.change_certificate())
                double.cut()
            pods.create_failing(name)
            support.wait_for(lambda: self.assertIn((name, "app"), agent.failures()), name + " is shown")
        runtime.kill()
        runtime.start()
        self.eventually_up(agent, pods=1, cri=1)
        names = {s.name for s in agent.metrics().samples if s.name.startswith("process_")}
        self.assertEqual(names, {"process_cpu_seconds_total", "process_resident_memory_bytes",
                                 "process_virtual_memory_bytes", "process_start_time_seconds", "process_open_fds",
                                 "process_max_fds"})
        self.assertEqual(agent.get("/debug/events")[0], 200)
        self.assert_nothing_was_refused(agent)

    def test_kubelet_without_a_runtime(self):
        kubelet = KubeletApi(os.path.join(self.folder, "kubelet"))
        self.addCleanup(kubelet.stop)
        agent = self.start(*kubelet.agent_flags(), NO_RUNTIME)
        agent.wait_ready()
        self.assert_shut_in(agent)
        requests = len(kubelet.requests)
        kubelet.rotate_token()
        support.wait_for(lambda: len(kubelet.requests) > requests + 1, "the kubelet is asked again")
        self.eventually_up(agent, pods=1, cri=0)
        self.assert_nothing_was_refused(agent)

    def test_a_secret_of_kubernetes_that_changes(self):
        """The files are links to a link to a folder. The kubelet makes a new folder and changes the middle link."""
        kubelet = KubeletApi(os.path.join(self.folder, "kubelet"))
        self.addCleanup(kubelet.stop)
        secret = os.path.join(self.folder, "secret")
        os.makedirs(os.path.join(secret, "..1"))
        shutil.copy(kubelet.token_file, os.path.join(secret, "..1", "token"))
        os.symlink("..1", os.path.join(secret, "..data"))
        os.symlink("..data/token", os.path.join(secret, "token"))
        agent = self.start(*kubelet.agent_flags()[:-1], f"--kube.token-file={secret}/token", NO_RUNTIME)
        agent.wait_ready()
        kubelet.rotate_token()
        self.eventually_up(agent, pods=0)
        os.makedirs(os.path.join(secret, "..2"))
        shutil.copy(kubelet.token_file, os.path.join(secret, "..2", "token"))
        os.symlink("..2", os.path.join(secret, "..new"))
        os.rename(os.path.join(secret, "..new"), os.path.join(secret, "..data"))
        shutil.rmtree(os.path.join(secret, "..1"))
        self.eventually_up(agent, pods=1)
        self.assert_nothing_was_refused(agent)

    def test_tls_passwords_and_unix_sockets(self):
        """Everything that --web.config.file names is read again; the debug socket is taken over from another agent."""
        ca = make_ca(self.folder, "ca")
        make_server_certificate(self.folder, "server", ca, ["IP:127.0.0.1"])
        config = os.path.join(self.folder, "web.yml")
        with open(config, "w") as out:
            out.write("tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
                      f"basic_auth_users:\n  alice: {hashed(PASSWORD)}\n")
        path = os.path.join(self.folder, "debug", "debug.sock")
        os.makedirs(os.path.dirname(path))
        old = socket.socket(socket.AF_UNIX)
        self.addCleanup(old.close)
        old.bind(path)
        old.listen()
        agent = self.start("--kube.source=none", NO_RUNTIME, f"--web.config.file={config}", debug=f"unix:{path}")

        def scrape(password=PASSWORD):
            done = subprocess.run(["curl", "--silent", "--noproxy", "*", "--cacert", ca[0], "--user",
                                   f"alice:{password}", "--output", os.devnull, "--write-out", "%{http_code}",
                                   f"https://{agent.web[0]}:{agent.web[1]}/metrics"], capture_output=True, text=True)
            return done.stdout

        support.wait_for(lambda: scrape() == "200", "it answers")
        self.assertEqual(scrape("wrong"), "401")
        self.assert_shut_in(agent)
        make_server_certificate(self.folder, "server", ca, ["IP:127.0.0.1"])  # a new key
        support.wait_for(lambda: scrape() == "200", "it uses the new certificate")
        old.close()
        support.wait_for(lambda: self.answers(path) == 404, "it has the debug socket")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.assert_nothing_was_refused(agent)
        if "ending without it" not in agent.log():  # a slow machine under strace
            self.assertFalse(os.path.exists(path), "it removes its socket")

    def test_it_can_be_switched_off(self):
        agent = self.start("--kube.source=none", NO_RUNTIME, "--sandbox=off")
        agent.wait_listening()
        self.assertIn('msg="not shut in: --sandbox=off"', agent.log())
        with open(f"/proc/{agent.pid}/status") as status:
            self.assertIn("\nSeccomp:\t0\n", status.read())


if __name__ == "__main__":
    unittest.main()
