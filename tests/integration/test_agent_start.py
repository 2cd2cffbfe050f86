# SPDX-License-Identifier: Apache-2.0
"""How the agent starts, refuses to start, waits for sources that are not available yet, and stops."""

import os
import socket
import subprocess
import unittest

import support
from api_double import ApiDouble
from containerd import Containerd

CONNECT_SECONDS = 10  # the agent's own timeout for a connection


def run(*flags, **environment):
    """Run the agent to its end: (status, standard output, standard error)."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("IMAGEPULL_") and k != "NODE_NAME"}
    done = subprocess.run([support.agent_binary(), *flags], capture_output=True, text=True, timeout=120,
                          env={**env, **environment}, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


class BadInput(unittest.TestCase):
    """One clear sentence on standard error that names the flag or the file, and exit status 2."""

    @classmethod
    def setUpClass(cls):
        folder = support.Folder()
        cls.addClassCleanup(folder.remove)
        cls.double = ApiDouble(os.path.join(folder.path, "api"))
        cls.double.prepare()
        cls.double.url = "https://127.0.0.1:1"
        cls.folder = folder.path

    def flags(self, **changes):
        """Valid flags, except those that are changed."""
        given = {"node-name": "lab-node", "web.listen-address": "127.0.0.1:0", "debug.listen-address": "off",
                 "kube.server": self.double.url, "kube.ca-file": self.double.ca_file,
                 "kube.token-file": self.double.token_file, "cri.endpoint": "unix:///nonexistent/containerd.sock"}
        given.update({name.replace("__", ".").replace("_", "-"): value for name, value in changes.items()})
        return [f"--{name}={value}" for name, value in given.items() if value is not None]

    def assert_refused(self, flags, *words, **environment):
        status, out, err = run(*flags, **environment)
        self.assertEqual((status, out), (2, ""), err)
        lines = err.strip().splitlines()
        self.assertEqual(len(lines), 1, err)
        for word in words:
            self.assertIn(word, lines[0])

    def test_a_limit_of_open_files_that_is_too_low_is_named(self):
        for limit in 10, 12, 40, 67:
            done = subprocess.run(["prlimit", f"--nofile={limit}:{limit}", support.agent_binary(), *self.flags()],
                                  capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(f"the limit of open files is {limit}, and the agent needs at least 68", done.stderr)

    def test_a_bad_flag_is_named(self):
        self.assert_refused(self.flags() + ["--no-such-flag"], "--no-such-flag", "--help")
        self.assert_refused(self.flags() + ["argument"], "argument")
        self.assert_refused(self.flags() + ["--node-name"], "--node-name", "needs a value")
        self.assert_refused(self.flags(node_name=None), "--node-name", "NODE_NAME")
        self.assert_refused(self.flags(kube__source="etcd"), "--kube.source", "etcd", "api")
        self.assert_refused(self.flags(metrics__max_registries="0"), "--metrics.max-registries")
        self.assert_refused(self.flags(), "IMAGEPULL_LOG_LEVEL", "loud", IMAGEPULL_LOG_LEVEL="loud")

    def test_an_unreadable_or_damaged_file_is_named(self):
        missing = os.path.join(self.folder, "missing")
        empty = os.path.join(self.folder, "empty")
        with open(empty, "w"):
            pass
        self.assert_refused(self.flags(kube__token_file=missing), missing)
        self.assert_refused(self.flags(kube__ca_file=missing), missing)
        self.assert_refused(self.flags(kube__token_file=empty), empty)

    def test_a_bad_address_is_named(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            self.assert_refused(self.flags(web__listen_address=address), address)
            self.assert_refused(self.flags(debug__listen_address=address), address)
        self.assert_refused(self.flags(web__listen_address="nonsense"), "nonsense")
        self.assert_refused(self.flags(kube__server="ftp://127.0.0.1"), "ftp://127.0.0.1")

    def test_help_and_version_are_not_errors(self):
        status, out, err = run("--help")
        self.assertEqual((status, err), (0, ""))
        for flag in self.flags():
            self.assertIn(flag.partition("=")[0], out)
        status, out, err = run("--version")
        self.assertEqual((status, err), (0, ""))
        self.assertRegex(out, r"^imagepull-exporter \d+\.\d+")


class SourcesThatAreNotThereYet(unittest.TestCase):
    def setUp(self):
        folder = support.Folder()
        self.addCleanup(folder.remove)
        self.double = support.start_api(self, folder.path)
        os.makedirs(os.path.join(folder.path, "containerd"))
        self.containerd = Containerd(os.path.join(folder.path, "containerd"), "127.0.0.1")
        self.addCleanup(self.containerd.stop)

    def start(self):
        return support.start_agent(self, ["--node-name=lab-node", *self.double.agent_flags(),
                                          f"--cri.endpoint={self.containerd.endpoint}"])

    @staticmethod
    def up(agent):
        return {s.labels["source"]: s.value for s in agent.metrics().find("imagepull_source_up")}

    def test_missing_sources_are_logged_once_and_used_when_they_appear(self):
        self.double.stop()
        agent = self.start()
        agent.wait_listening()
        support.wait_for(lambda: self.assertEqual((self.up(agent).get("pods"), self.up(agent).get("cri")), (0, 0)),
                         "both sources are down")
        self.assertEqual(agent.get("/-/ready", agent.web)[0], 503)
        self.assertEqual(agent.get("/-/healthy", agent.web)[0], 200)

        self.double.start()
        self.double.wait_ready()
        self.containerd.start()
        self.containerd.wait_ready()
        support.wait_for(lambda: self.assertEqual((self.up(agent).get("pods"), self.up(agent).get("cri")), (1, 1)),
                         "both sources are up")
        support.wait_for(agent.ready, "the first list of pods is done")
        runtime = agent.metrics().find("imagepull_runtime_info")
        self.assertEqual([r.labels["runtime"] for r in runtime], ["containerd"])
        for component in ("component=pods", "component=cri"):
            lines = [line for line in agent.log().splitlines() if component in line and "retrying" in line]
            self.assertEqual(len(lines), 1, agent.log())
            self.assertIn("level=warn", lines[0])

    def test_sources_that_disappear_and_return(self):
        self.containerd.start()
        self.containerd.wait_ready()
        agent = self.start()
        agent.wait_ready()
        self.double.stop()
        support.wait_for(lambda: self.assertEqual(self.up(agent).get("pods"), 0), "the API server is away")
        self.assertTrue(agent.ready(), "an API outage does not make the agent unready")
        self.double.start()
        self.double.wait_ready()
        support.wait_for(lambda: self.assertEqual(self.up(agent).get("pods"), 1), "it is back")

    def test_sigterm_stops_the_agent_at_once(self):
        agent = self.start()
        agent.wait_ready()
        self.assert_ends_at_once(agent)
        self.double.stop()
        agent = self.start()
        agent.wait_listening()
        self.assert_ends_at_once(agent)

    def test_sigterm_stops_the_agent_while_the_api_server_is_silent(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            self.double.url = f"https://127.0.0.1:{silent.getsockname()[1]}"
            agent = self.start()
            agent.wait_listening()
            accepted, _ = silent.accept()  # the agent waits for the answer to its TLS hello
            with accepted:
                self.assert_ends_at_once(agent)

    def test_the_log_names_version_node_and_sources(self):
        agent = self.start()
        agent.wait_ready()
        with open(os.path.join(os.path.dirname(__file__), "../../VERSION")) as file:
            version = file.read().strip()
        lines = [line for line in agent.log().splitlines() if "started" in line]
        self.assertEqual(len(lines), 1, agent.log())
        for words in (f"imagepull-exporter {version} (revision ", "node lab-node", "pods from api", "events on",
                      self.containerd.endpoint):
            self.assertIn(words, lines[0])

    def assert_ends_at_once(self, agent):
        status, seconds = agent.stop()
        self.assertEqual(status, 0, agent.log())
        self.assertIn('msg="received SIGTERM, shutting down"', agent.log())
        self.assertLess(seconds, CONNECT_SECONDS)


if __name__ == "__main__":
    unittest.main()
