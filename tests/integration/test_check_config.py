# SPDX-License-Identifier: Apache-2.0
"""--check-config prints and checks all settings; --log.format."""

import json
import os
import signal
import socket
import subprocess
import unittest

import support


def run(*flags, **environment):
    """Run the agent to its end: (status, standard output, standard error)."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("IMAGEPULL_") and k != "NODE_NAME"}
    done = subprocess.run([support.agent_binary(), *flags], capture_output=True, text=True, timeout=120,
                          env={**env, **environment}, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


class CheckConfig(unittest.TestCase):
    def setUp(self):
        folder = support.Folder()
        self.addCleanup(folder.remove)
        self.folder = folder.path

    def assert_bad(self, flags, *words):
        status, _, err = run("--check-config", *flags)
        self.assertEqual(status, 2, err)
        self.assertEqual(len(err.strip().splitlines()), 1, err)
        for word in words:
            self.assertIn(word, err)

    def test_it_prints_each_setting_and_its_origin(self):
        status, out, err = run("--check-config", "--kube.source=none", "--web.listen-address=:1",
                               "--web.listen-address=[::1]:2", IMAGEPULL_LOG_LEVEL="debug")
        self.assertEqual((status, err), (0, ""))
        printed = dict(line.split("=", 1) for line in out.splitlines() if line.startswith("--"))
        self.assertEqual(printed["--kube.source"].split(), ["none", "#", "flag"])
        self.assertEqual(printed["--web.listen-address"].split(), [":1,[::1]:2", "#", "flag"])
        self.assertEqual(printed["--log.level"].split(), ["debug", "#", "IMAGEPULL_LOG_LEVEL"])
        self.assertEqual(printed["--log.format"].split(), ["logfmt", "#", "default"])
        self.assertIn("# --kubeconfig is not set\n", out)
        self.assertIn("--log.level=debug".ljust(50) + "# IMAGEPULL_LOG_LEVEL\n", out)
        _, usage, _ = run("--help")
        flags = {line.split("=")[0].strip() for line in usage.splitlines() if line.startswith("  --") and "=" in line}
        self.assertEqual(flags, set(printed) | {line.split()[1] for line in out.splitlines() if line.startswith("#")})

    def test_its_lines_are_flags_again(self):
        first = run("--check-config", "--node-name=n", "--kube.source=none")[1]
        flags = [line.split(" #")[0].rstrip() for line in first.splitlines() if line.startswith("--")]
        status, second, err = run("--check-config", *flags)
        self.assertEqual((status, err), (0, ""))
        self.assertEqual([line.split("#")[0] for line in second.splitlines()],
                         [line.split("#")[0] for line in first.splitlines()])

    def test_files_are_read(self):
        missing = os.path.join(self.folder, "missing")
        self.assert_bad(["--node-name=n", f"--kubeconfig={missing}"], missing, "No such file")
        self.assert_bad(["--node-name=n", "--kube.server=https://127.0.0.1:1", f"--kube.token-file={missing}"], missing)
        self.assert_bad(["--node-name=n"], "--kube.server")  # outside of a cluster

    def test_values_are_checked(self):
        self.assert_bad(["--kube.source=none", "--web.listen-address=1.2.3:80"], "--web.listen-address", "1.2.3")
        self.assert_bad(["--kube.source=none", "--debug.listen-address=unix:relative"], "relative")
        self.assert_bad(["--kube.source=none", "--debug.listen-address=unix:/" + "x" * 200], "unix socket")
        self.assert_bad(["--kube.source=none", "--debug.listen-address=localhost"], "no port")
        self.assert_bad(["--kube.source=none", "--cri.endpoint=http://x"], "http://x")
        self.assert_bad([], "--node-name")

    def test_bad_addresses_are_named(self):
        for flag in ("--web.listen-address", "--debug.listen-address"):
            for address in ("", "127.0.0.1", "127.0.0.1:", ":x", ":65536", ":-1", ":+1", ": 80", ":80 ", ":80x", ":0x50",
                            "::1:80", "[::1:80", "[::1]80", "host:80", "1.2.3:80", "http://127.0.0.1:80",
                            "user@127.0.0.1:80", "unix:", "unix:relative"):
                with self.subTest(flag=flag, address=address):
                    self.assert_bad(["--kube.source=none", f"{flag}={address}"], flag, address.removeprefix("unix:"))
        self.assert_bad(["--kube.source=none", "--web.listen-address=off"], "off")
        self.assert_bad(["--kube.source=none", "--web.listen-address=:1,"], ":1,")
        self.assert_bad(["--kube.source=none", *[f"--web.listen-address=:{port}" for port in range(1, 10)]], "8")

    def test_bad_urls_are_named(self):
        for flags in (["--kube.server"], ["--kube.source=kubelet", "--kube.kubelet-url"]):
            for url in ("x", "ftp://host", "https://", "https://:1", "https://host:x", "https://host:99999",
                        "https://host:+1", "https://host: 1", "https://[::1", "https://h h", "https://host?query"):
                with self.subTest(flags=flags, url=url):
                    self.assert_bad(["--node-name=n", *flags[:-1], f"{flags[-1]}={url}"], url)

    def test_nothing_is_bound_or_created(self):
        """So --check-config works beside a running agent."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            path = os.path.join(self.folder, "made", "debug.sock")
            status, _, err = run("--check-config", "--kube.source=none", f"--web.listen-address={address}",
                                 f"--debug.listen-address=unix:{path}")
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_full_disk_is_an_error(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([support.agent_binary(), "--check-config", "--kube.source=none"], stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=120)
        self.assertEqual(done.returncode, 2)
        self.assertIn("standard output", done.stderr)


class LogFormat(unittest.TestCase):
    def lines(self, log_format):
        agent = subprocess.Popen([support.agent_binary(), "--kube.source=none", f"--log.format={log_format}",
                                  "--cri.endpoint=unix:///nonexistent/\"quoted\".sock",
                                  "--web.listen-address=127.0.0.1:0", "--debug.listen-address=off"],
                                 stderr=subprocess.PIPE, text=True)
        try:
            first = [agent.stderr.readline(), agent.stderr.readline()]
            agent.send_signal(signal.SIGTERM)
            return first + agent.communicate(timeout=120)[1].splitlines()
        finally:
            agent.kill()
            agent.wait()
            agent.stderr.close()

    def test_every_line_is_json(self):
        lines = [json.loads(line) for line in self.lines("json")]
        self.assertGreaterEqual(len(lines), 3)
        for line in lines:
            self.assertEqual(set(line), {"time", "level", "component", "msg"})
        self.assertTrue(any('"quoted"' in line["msg"] for line in lines))

    def test_every_line_is_logfmt(self):
        for line in self.lines("logfmt"):
            self.assertRegex(line, r'^time=\S+Z level=[a-z]+ component=[a-z]+ msg="(?:[^"\\]|\\.)*"$')

    def test_other_formats_are_refused(self):
        status, _, err = run("--kube.source=none", "--log.format=xml")
        self.assertEqual(status, 2)
        self.assertIn("--log.format is 'xml'; it must be one of logfmt, json", err)


if __name__ == "__main__":
    unittest.main()
