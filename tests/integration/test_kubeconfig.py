# SPDX-License-Identifier: Apache-2.0
"""The agent with --kubeconfig and the double of the API server, and what it refuses at the start."""

import base64
import json
import os
import subprocess
import unittest

import support
from kube_front import KubeFront

PKI = os.path.join(support.ROOT, "tests", "data", "kube")
REFUSED = ('failed to resolve reference "registry.example.com/team/app:v1": pull access denied, repository does not '
           "exist or may require authorization: authorization failed: no basic auth credentials")
RANCHER_PATH = "/k8s/clusters/c-x7f2k"


def data_of(path):
    with open(path, "rb") as source:
        return base64.b64encode(source.read()).decode()


def text_of(path):
    with open(path) as source:
        return source.read()


def failing_pod(name):
    return {"metadata": {"name": name, "namespace": "default"},
            "spec": {"nodeName": "lab-node",
                     "containers": [{"name": "app", "image": "registry.example.com/team/app:v1"}]},
            "status": {"phase": "Pending", "containerStatuses": [
                {"name": "app", "state": {"waiting": {"reason": "ErrImagePull", "message": REFUSED}}}]}}


class Kubeconfig(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = support.Folder()
        cls.addClassCleanup(folder.remove)
        cls.folder = folder.path
        cls.double = support.start_api(cls, folder.path)
        cls.admin = cls.double.client()
        cls.admin.create("pods", failing_pod("web-0"))
        cls.admin.update("pods", failing_pod("web-0"), "status")

    def write(self, name, cluster, user, **more):
        """A kubeconfig with a context 'lab'. The current context is another one that leads nowhere."""
        path = os.path.join(self.folder, name)
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "elsewhere",
                  "contexts": [{"name": "elsewhere", "context": {"cluster": "nowhere", "user": "nobody"}},
                               {"name": "lab", "context": {"cluster": "lab", "user": "agent"}}],
                  "clusters": [{"name": "nowhere", "cluster": {"server": "https://127.0.0.1:1"}},
                               {"name": "lab", "cluster": cluster}],
                  "users": [{"name": "nobody", "user": {}}, {"name": "agent", "user": user}], **more}
        with open(path, "w") as out:
            json.dump(config, out)  # JSON is YAML
        return path

    def start(self, path, *flags):
        return support.start_agent(self, [f"--kubeconfig={path}", "--node-name=lab-node",
                                          "--cri.endpoint=unix:///nonexistent/containerd.sock",
                                          *(flags or ("--kube.context=lab",))])

    def assert_warns_once(self, agent):
        """Wait for one log line with these words. Returns it."""
        agent.wait_listening()
        support.wait_for(lambda: self.assertIn("level=warn component=pods", agent.log()), "the failure is logged")
        lines = [line for line in agent.log().splitlines() if "level=warn component=pods" in line]
        self.assertEqual(len(lines), 1, lines)
        return lines[0]

    def assert_reads_pods(self, agent):
        agent.wait_ready()
        support.wait_for(lambda: self.assertIn(("web-0", "app"), agent.failures()), "the failing pod is shown")
        self.assertEqual(agent.failures()[("web-0", "app")]["cause"], "unauthorized")

    def ca_data(self):
        return {"server": self.double.url, "certificate-authority-data": data_of(self.double.ca_file)}

    def test_inline_data_and_a_named_context(self):
        path = self.write("data", self.ca_data(), {"token": text_of(self.double.token_file)})
        agent = self.start(path)
        self.assert_reads_pods(agent)
        self.assertNotIn("level=warn component=pods", agent.log())

    def test_the_current_context_and_relative_files(self):
        path = self.write("files", {"server": self.double.url + "/", "certificate-authority": "api/ca.crt"},
                          {"tokenFile": "api/token"}, **{"current-context": "lab"})
        self.assert_reads_pods(self.start(path, "--log.level=info"))

    def test_a_client_certificate_and_a_server_with_a_path(self):
        front = KubeFront(self.double.url, self.double.ca_file, os.path.join(PKI, "server-old.crt"),
                          os.path.join(PKI, "server-old.key"), RANCHER_PATH, os.path.join(PKI, "ca-old.crt"))
        self.addCleanup(front.stop)
        cluster = {"server": front.url + "/", "certificate-authority-data": data_of(os.path.join(PKI, "ca-old.crt"))}
        user = {"token": text_of(self.double.token_file),
                "client-certificate-data": data_of(os.path.join(PKI, "client-one.crt")),
                "client-key-data": data_of(os.path.join(PKI, "client-one.key"))}
        agent = self.start(self.write("rancher", cluster, user))
        self.assert_reads_pods(agent)
        self.assertEqual(set(front.clients), {"client-one"})

        # tls-server-name only changes the name that the certificate must have, not the Host header or the path.
        self.admin.forget_requests()
        agent = self.start(self.write("named", {**cluster, "tls-server-name": "api.test"}, user))
        self.assert_reads_pods(agent)
        asked = self.admin.requests()
        self.assertEqual({request["path"] for request in asked if request["path"].endswith("/pods")}, {"/api/v1/pods"})

        # Without a client certificate nobody gets through. The log says it once.
        agent = self.start(self.write("certless", cluster, {"token": user["token"]}))
        self.assertIn("watch pods of node lab-node", self.assert_warns_once(agent))

    def test_skipping_verification_logs_a_warning(self):
        path = self.write("insecure", {"server": self.double.url, "insecure-skip-tls-verify": True},
                          {"token": text_of(self.double.token_file)})
        agent = self.start(path)
        self.assert_reads_pods(agent)
        self.assertEqual(agent.log().count("is not verified (insecure-skip-tls-verify)"), 1)

    def test_the_wrong_ca_is_named(self):
        path = self.write("stranger", {"server": self.double.url,
                                       "certificate-authority": os.path.join(PKI, "ca-new.crt")},
                          {"token": text_of(self.double.token_file)})
        self.assertIn("ca-new.crt", self.assert_warns_once(self.start(path)))

    def test_a_node_without_pods_is_logged_once(self):
        path = self.write("nobody-home", self.ca_data(), {"token": text_of(self.double.token_file)})
        agent = self.start(path, "--kube.context=lab", "--node-name=lab-nod")
        agent.wait_ready()
        lines = [line for line in agent.log().splitlines() if "no pods of node lab-nod; check --node-name" in line]
        self.assertEqual(len(lines), 1, agent.log())
        self.assertIn("level=info", lines[0])

    # --- what is refused at the start ---

    def refused(self, *flags):
        """The one line on standard error."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("IMAGEPULL_") and k != "NODE_NAME"}
        done = subprocess.run([support.agent_binary(), "--web.listen-address=127.0.0.1:0", "--debug.listen-address=off",
                               *flags], capture_output=True, text=True, timeout=120, env=env, stdin=subprocess.DEVNULL)
        self.assertEqual((done.returncode, done.stdout, len(done.stderr.splitlines())), (2, "", 1), done.stderr)
        return done.stderr

    def test_invalid_files_are_refused_at_the_start(self):
        good = self.write("good", self.ca_data(), {"token": "t"})
        node = "--node-name=lab-node"
        self.assertIn("'Lab_Node'", self.refused(f"--kubeconfig={good}", "--kube.context=lab", "--node-name=Lab_Node"))
        self.assertIn("'nobody-has-it'", self.refused(f"--kubeconfig={good}", "--kube.context=nobody-has-it", node))
        fifo = os.path.join(self.folder, "fifo")
        os.mkfifo(fifo)
        self.assertIn(f"kubeconfig '{fifo}' is not a regular file", self.refused(f"--kubeconfig={fifo}", node))
        program = self.write("program", self.ca_data(), {"exec": {"command": "aws"}})
        line = self.refused(f"--kubeconfig={program}", "--kube.context=lab", node)
        self.assertIn("users[agent].user.exec is not supported", line)
        query = self.write("query", {"server": self.double.url + "/x?y=z"}, {"token": "t"})
        self.assertIn("clusters[lab].cluster.server", self.refused(f"--kubeconfig={query}", "--kube.context=lab", node))
        self.assertIn("in the clear", self.refused("--kube.server=http://192.0.2.1:8080",
                                                   f"--kube.token-file={self.double.token_file}", node))
        junk = os.path.join(self.folder, "junk.crt")
        with open(junk, "w") as out:
            out.write("-----BEGIN CERTIFICATE-----\nMIIBjunk\n-----END CERTIFICATE-----\n")
        self.assertIn(junk, self.refused(f"--kube.server={self.double.url}", f"--kube.ca-file={junk}", node))


if __name__ == "__main__":
    unittest.main()
