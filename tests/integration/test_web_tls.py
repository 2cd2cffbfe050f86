# SPDX-License-Identifier: Apache-2.0
"""--web.config.file: TLS, client certificates, passwords, and reading the file again when it changes."""

import concurrent.futures
import contextlib
import os
import socket
import ssl
import subprocess
import threading
import unittest

import bcrypt

import support
from certs import make_ca, make_server_certificate
from procs import clean_environment, require, run
from prometheus_server import Prometheus

NOBODY = "--cri.endpoint=unix:///nonexistent/containerd.sock"
PASSWORD = "correct horse"


def make_client_certificate(folder, name, ca, extensions="extendedKeyUsage=clientAuth"):
    """As make_server_certificate(), but for a client."""
    cert, key = os.path.join(folder, f"{name}.crt"), os.path.join(folder, f"{name}.key")
    openssl = require("openssl", "openssl")
    run([openssl, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key,
         "-out", cert + ".csr", "-subj", f"/CN={name}"], f"making the key of {name}")
    with open(cert + ".ext", "w") as out:
        out.write(extensions + "\n")
    run([openssl, "x509", "-req", "-in", cert + ".csr", "-CA", ca[0], "-CAkey", ca[1], "-CAcreateserial", "-out", cert,
         "-days", "2", "-extfile", cert + ".ext"], f"signing the certificate of {name}")
    return cert, key


def hashed(password, cost=5):
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()


class Guarded(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = support.Folder()
        cls.addClassCleanup(folder.remove)
        cls.folder = folder.path
        cls.ca = make_ca(cls.folder, "ca")
        cls.other_ca = make_ca(cls.folder, "other-ca")
        cls.server = make_server_certificate(cls.folder, "server", cls.ca, ["IP:127.0.0.1"])
        cls.client = make_client_certificate(cls.folder, "client", cls.ca)
        cls.stranger = make_client_certificate(cls.folder, "stranger", cls.other_ca)

    def write(self, text, name="web.yml"):
        path = os.path.join(self.folder, name)
        with open(path + ".part", "w") as out:
            out.write(text)
        os.rename(path + ".part", path)
        return path

    def start(self, text):
        agent = support.start_agent(self, ["--kube.source=none", NOBODY, f"--web.config.file={self.write(text)}"])
        support.wait_for(lambda: self.answers(agent), "it listens")  # the debug listener starts last
        return agent

    @staticmethod
    def answers(agent):
        try:
            return agent.get("/debug/sources")[0] == 200
        except OSError:
            return False

    def curl(self, agent, *flags, scheme="https", path="/metrics"):
        """(curl's exit status, HTTP status or 0)."""
        done = subprocess.run(
            ["curl", "--silent", "--noproxy", "*", "--max-time", "120", "--cacert", self.ca[0], "--output", os.devnull,
             "--write-out", "%{http_code}", *flags, f"{scheme}://{agent.web[0]}:{agent.web[1]}{path}"],
            capture_output=True, text=True, env=clean_environment())
        return done.returncode, int(done.stdout or 0)

    def assert_refused(self, outcome):
        self.assertNotEqual(outcome[0], 0)
        self.assertEqual(outcome[1], 0)

    def tls(self, more=""):
        return f"tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n{more}"

    # --- TLS and client certificates ---

    def test_only_trusting_tls_clients_get_an_answer(self):
        agent = self.start(self.tls())
        self.assertEqual(self.curl(agent), (0, 200))
        self.assertEqual(self.curl(agent, "--tls-max", "1.2"), (0, 200))
        self.assert_refused(self.curl(agent, scheme="http"))
        self.assert_refused(self.curl(agent, "--cacert", self.other_ca[0]))

    def test_unfinished_handshakes_are_closed(self):
        agent = self.start(self.tls())
        before = agent.cpu_seconds()
        with contextlib.ExitStack() as clients:
            stuck = [clients.enter_context(socket.create_connection(agent.web, timeout=120)) for _ in range(3)]
            for client, words in zip(stuck, (b"", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\r\n")):
                client.sendall(words)
            self.assertEqual(self.curl(agent), (0, 200), "others are served meanwhile")
            for client in stuck:
                with contextlib.suppress(ConnectionError):  # a reset closes it, too
                    while client.recv(100):
                        pass
        self.assertLess(agent.cpu_seconds() - before, 1, "it waits for the rest, and does not ask for it all the time")

    def test_older_tls_versions_are_refused(self):
        agent = self.start(self.tls("  min_version: TLS13\n"))
        self.assertEqual(self.curl(agent), (0, 200))
        self.assert_refused(self.curl(agent, "--tls-max", "1.2"))

    def test_only_verified_client_certificates_are_accepted(self):
        agent = self.start(self.tls("  client_ca_file: ca.crt\n  client_auth_type: RequireAndVerifyClientCert\n"))
        self.assertEqual(self.curl(agent, "--cert", self.client[0], "--key", self.client[1]), (0, 200))
        self.assert_refused(self.curl(agent))
        self.assert_refused(self.curl(agent, "--cert", self.stranger[0], "--key", self.stranger[1]))
        self.assert_refused(self.curl(agent, "--cert", self.server[0], "--key", self.server[1]))
        plain = make_client_certificate(self.folder, "plain", self.ca, "basicConstraints=CA:FALSE")
        self.assertEqual(self.curl(agent, "--cert", plain[0], "--key", plain[1]), (0, 200))
        self.assertEqual(self.curl(agent, "--cert", self.client[0], "--key", self.client[1]), (0, 200))

    def test_a_client_certificate_if_given(self):
        agent = self.start(self.tls("  client_ca_file: ca.crt\n  client_auth_type: VerifyClientCertIfGiven\n"))
        self.assertEqual(self.curl(agent), (0, 200))
        self.assertEqual(self.curl(agent, "--cert", self.client[0], "--key", self.client[1]), (0, 200))
        self.assert_refused(self.curl(agent, "--cert", self.stranger[0], "--key", self.stranger[1]))

    def test_any_client_certificate(self):
        agent = self.start(self.tls("  client_auth_type: RequireAnyClientCert\n"))
        self.assert_refused(self.curl(agent))
        self.assertEqual(self.curl(agent, "--cert", self.stranger[0], "--key", self.stranger[1]), (0, 200))

    def test_an_unverified_client_certificate(self):
        """Clients with and without a certificate are let in."""
        for kind in ("NoClientCert", "RequestClientCert"):
            agent = self.start(self.tls(f"  client_auth_type: {kind}\n"))
            self.assertEqual(self.curl(agent), (0, 200), kind)
            self.assertEqual(self.curl(agent, "--cert", self.stranger[0], "--key", self.stranger[1]), (0, 200), kind)

    # --- passwords ---

    def test_only_the_right_password_is_accepted(self):
        agent = self.start(f"basic_auth_users:\n  prom: {hashed(PASSWORD)}\n  \"anne ü\": {hashed('x')}\n")
        right = ("--user", f"prom:{PASSWORD}")
        for _ in range(3):
            self.assertEqual(self.curl(agent, *right, scheme="http"), (0, 200))
            for wrong in ("prom:wrong", "prom:", "nobody:wrong", f"nobody:{PASSWORD}", f"anne ü:{PASSWORD}",
                          f"prom:{PASSWORD}{'x' * 300}", "prom"):
                self.assertEqual(self.curl(agent, "--user", wrong if ":" in wrong else wrong + ":", scheme="http"),
                                 (0, 401), wrong)
            self.assertEqual(self.curl(agent, scheme="http"), (0, 401))
            self.assertEqual(self.curl(agent, "--header", "Authorization: Basic !!!", scheme="http"), (0, 401))
            self.assertEqual(self.curl(agent, "--header", "Authorization: Bearer x", scheme="http"), (0, 401))
        self.assertEqual(self.curl(agent, "--user", "anne ü:x", scheme="http"), (0, 200))
        self.assertEqual(self.curl(agent, "--user", "nobody:x", scheme="http"), (0, 401))
        for probe in ("/healthz", "/-/healthy", "/readyz", "/-/ready"):
            self.assertEqual(self.curl(agent, scheme="http", path=probe), (0, 200))
        self.assertEqual(self.curl(agent, scheme="http", path="/"), (0, 401))

    def test_hashes_of_common_tools(self):
        long = "72 bytes, which is all that bcrypt looks at: " + "x" * 27
        users = {user: hashed(password, cost=4).replace("$2b$", mark) for user, mark, password in (
            ("htpasswd", "$2y$", "ü" + PASSWORD), ("python", "$2b$", PASSWORD), ("old", "$2a$", PASSWORD),
            ("long", "$2y$", long))}
        agent = self.start("basic_auth_users:\n" + "".join(f"  {user}: {line}\n" for user, line in users.items()))
        for user, password, status in (
                ("htpasswd", "ü" + PASSWORD, 200), ("python", PASSWORD, 200), ("old", PASSWORD, 200),
                ("long", long, 200), ("long", long[:-1], 401), ("htpasswd", PASSWORD, 401), ("old", long, 401)):
            self.assertEqual(self.curl(agent, "--user", f"{user}:{password}", scheme="http"), (0, status), (user, password))

    def test_a_request_with_a_body_waits_for_its_password_too(self):
        agent = self.start(f"basic_auth_users:\n  prom: {hashed(PASSWORD)}\n")
        for password, status in (("wrong", 401), (PASSWORD, 405)):
            for body in ("x", "x" * 100_000):
                self.assertEqual(self.curl(agent, "--user", f"prom:{password}", "--data", body, "--header",
                                           "Expect: 100-continue", scheme="http"), (0, status))
        self.assertEqual(self.curl(agent, "--user", f"prom:{PASSWORD}", scheme="http"), (0, 200))

    @contextlib.contextmanager
    def wrong_passwords(self, agent, clients):
        """
        So many clients ask with wrong passwords all the time: (their HTTP statuses so far, the event that ends it).
        Begins when one password is checked, so the others wait.
        """
        answers, over = [], threading.Event()

        def ask(client):
            while True:
                answers.append(self.curl(agent, "--user", f"prom:{client}-{len(answers)}", scheme="http")[1])
                if over.is_set():
                    return

        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            asking = [pool.submit(ask, client) for client in range(clients)]
            try:
                support.wait_for(lambda: 401 in answers, "the first one is checked")
                yield answers, over
            finally:
                over.set()
        for each in asking:
            each.result()

    def test_a_known_password_does_not_wait_for_other_checks(self):
        agent = self.start(f"basic_auth_users:\n  prom: {hashed(PASSWORD, cost=11)}\n")
        right = ("--user", f"prom:{PASSWORD}")
        self.assertEqual(self.curl(agent, *right, scheme="http"), (0, 200))
        with self.wrong_passwords(agent, 40) as (answers, _):
            self.assertEqual(self.curl(agent, *right, scheme="http"), (0, 200))
        # 503: the queue is full. 0: the client waited for too long and was cut. Nobody gets in.
        self.assertLessEqual(set(answers), {401, 503, 0})

    def test_wrong_passwords_do_not_lock_a_right_one_out(self):
        agent = self.start(f"basic_auth_users:\n  prom: {hashed(PASSWORD, cost=8)}\n  anne: {hashed('x', cost=7)}\n")
        with self.wrong_passwords(agent, 40) as (answers, _):
            self.assertEqual(self.curl(agent, "--interface", "127.0.0.2", "--user", f"prom:{PASSWORD}", scheme="http"),
                             (0, 200))
            self.assertEqual(self.curl(agent, "--user", "anne:x", scheme="http"), (0, 200))
        self.assertNotIn(503, answers)

    def test_the_agent_stops_while_passwords_wait(self):
        agent = self.start(f"basic_auth_users:\n  prom: {hashed(PASSWORD, cost=11)}\n")
        with self.wrong_passwords(agent, 20) as (answers, over):
            over.set()  # each client waits for one more answer
            status, _ = agent.stop()
            self.assertEqual(status, 0, agent.log())
        self.assertNotIn(200, answers)
        self.assertNotEqual(set(answers[-20:]), {401}, "it checks all waiting passwords before it exits")

    def test_configured_headers_are_sent_once(self):
        agent = self.start("http_server_config:\n  headers:\n    Strict-Transport-Security: max-age=3600\n"
                           "    X-Content-Type-Options: nosniff\n")
        done = subprocess.run(["curl", "--silent", "--head", "--noproxy", "*", f"http://{agent.web[0]}:{agent.web[1]}/"],
                              capture_output=True, text=True, check=True)
        self.assertIn("Strict-Transport-Security: max-age=3600", done.stdout)
        self.assertEqual(done.stdout.count("X-Content-Type-Options"), 1)

    # --- changes ---

    def served_certificate(self, agent):
        return ssl.get_server_certificate(agent.web, timeout=120)

    def test_a_changed_certificate_is_used_without_a_restart(self):
        agent = self.start(self.tls())
        before = self.served_certificate(agent)
        new = make_server_certificate(self.folder, "new-server", self.ca, ["IP:127.0.0.1"])
        for source, target in zip(new, self.server):
            os.rename(source, target)
        after = support.wait_for(lambda: self.served_certificate(agent), "a certificate")
        self.assertNotEqual(after, before)
        with open(self.server[0]) as wanted:
            self.assertEqual(after.strip(), wanted.read().strip())
        self.assertEqual(self.curl(agent), (0, 200))

    def test_a_certificate_may_come_after_the_file_that_names_it(self):
        agent = self.start(self.tls())
        before = self.served_certificate(agent)
        self.write("tls_server_config:\n  cert_file: late.crt\n  key_file: late.key\n")
        for _ in range(5):
            self.assertEqual(self.served_certificate(agent), before)
        self.assertEqual(agent.log().count("keeping the settings read before"), 1, agent.log())
        made = make_server_certificate(self.folder, "made", self.ca, ["IP:127.0.0.1"])
        for source, target in zip(made, ("late.crt", "late.key")):
            os.rename(source, os.path.join(self.folder, target))
        with open(os.path.join(self.folder, "late.crt")) as wanted:
            self.assertEqual(self.served_certificate(agent).strip(), wanted.read().strip())
        self.assertEqual(self.curl(agent), (0, 200))

    def test_changed_users_count_at_once_and_an_invalid_file_changes_nothing(self):
        agent = self.start(f"basic_auth_users:\n  prom: {hashed(PASSWORD)}\n")
        self.assertEqual(self.curl(agent, "--user", f"prom:{PASSWORD}", scheme="http"), (0, 200))
        self.write(f"basic_auth_users:\n  prom: {hashed('new')}\n")
        self.assertEqual(self.curl(agent, "--user", f"prom:{PASSWORD}", scheme="http"), (0, 401))
        self.assertEqual(self.curl(agent, "--user", "prom:new", scheme="http"), (0, 200))
        for nonsense in ("basic_auth_user: {}\n", self.tls()):
            self.write(nonsense)
            for _ in range(3):
                self.assertEqual(self.curl(agent, "--user", "prom:new", scheme="http"), (0, 200))
                self.assertEqual(self.curl(agent, scheme="http"), (0, 401))
        lines = [line for line in agent.log().splitlines() if "keeping the settings read before" in line]
        self.assertEqual(len(lines), 2, agent.log())
        self.assertIn("line 1: unknown key 'basic_auth_user'", lines[0])
        self.assertIn("takes effect after a restart", lines[1])

    # --- the real Prometheus ---

    def test_prometheus_scrapes_with_certificate_and_password(self):
        agent = self.start(self.tls("  client_ca_file: ca.crt\n  client_auth_type: RequireAndVerifyClientCert\n") +
                           f"basic_auth_users:\n  prom: {hashed(PASSWORD)}\n")
        folder = support.Folder()
        self.addCleanup(folder.remove)

        def job(certificate, password):
            return (f"{agent.web[0]}:{agent.web[1]}", [
                "scheme: https",
                f"tls_config: {{ca_file: {self.ca[0]}, cert_file: {certificate[0]}, key_file: {certificate[1]}}}",
                f"basic_auth: {{username: prom, password: '{password}'}}"])

        prometheus = Prometheus(folder.path, {"right": job(self.client, PASSWORD),
                                              "wrong-password": job(self.client, "wrong"),
                                              "wrong-certificate": job(self.stranger, PASSWORD)})
        self.addCleanup(prometheus.stop)
        prometheus.wait_ready()

        def only_right_is_up():
            targets = prometheus.targets()
            self.assertEqual({name: health for name, (health, _) in targets.items()},
                             {"right": "up", "wrong-password": "down", "wrong-certificate": "down"})
            self.assertIn("401", targets["wrong-password"][1])
            self.assertNotIn("HTTP status", targets["wrong-certificate"][1])  # the TLS handshake fails first
            self.assertEqual(prometheus.query('count(imagepull_exporter_build_info{job="right"})'), {frozenset(): 1})

        support.wait_for(only_right_is_up, "only the right one is up")
        scrapes = self.scrapes(prometheus)
        new = make_server_certificate(self.folder, "newer-server", self.ca, ["IP:127.0.0.1"])
        for source, target in zip(new, self.server):
            os.rename(source, target)


        def scraped_again():
            only_right_is_up()
            return self.scrapes(prometheus) >= scrapes + 4

        support.wait_for(scraped_again, "four scrapes with the new certificate")

    @staticmethod
    def scrapes(prometheus):
        return sum(prometheus.query('count_over_time(up{job="right"}[1h])').values())


class BadFiles(unittest.TestCase):
    """The agent does not start and names the file, the line and the key."""

    def refuse(self, text, *words):
        folder = support.Folder()
        self.addCleanup(folder.remove)
        path = os.path.join(folder.path, "web.yml")
        if text is not None:
            with open(path, "w") as out:
                out.write(text)
        done = subprocess.run([support.agent_binary(), "--kube.source=none", "--web.listen-address=127.0.0.1:0",
                               "--debug.listen-address=off", NOBODY, f"--web.config.file={path}"],
                              capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        for word in ("--web.config.file", path, *words):
            self.assertIn(word, done.stderr)

    def test_invalid_files_are_refused(self):
        self.refuse(None, "No such file")
        self.refuse("tls_server_configs:\n  cert_file: x\n", "line 1", "tls_server_configs")
        self.refuse("tls_server_config:\n  cert_file: x\n  key: y\n", "line 3", "'key'")
        self.refuse("tls_server_config:\n  cert_file: missing.crt\n  key_file: missing.key\n", "missing.crt")
        self.refuse("basic_auth_users:\n  prom: plain-text\n", "line 2", "prom", "bcrypt")
        self.refuse("a: [\n", "line")


if __name__ == "__main__":
    unittest.main()
