# SPDX-License-Identifier: Apache-2.0
"""The base of the tests with CRI-O: a double that speaks as CRI-O, a double of the API server, an agent."""

import contextlib
import json
import os
import signal
import time
import unittest

import support
from answers import Answers
from cri_double import CriDouble
from pods import IMAGE, Pods, pod, waiting

VERSION = "1.34.1"
IMAGES = "/var/lib/containers/storage/overlay-images"


def cri_server():
    """The program in CRI_SERVER, or else the one that 'make check-integration' builds beside the agent."""
    path = os.environ.get("CRI_SERVER") or os.path.join(os.path.dirname(support.agent_binary()), "tests", "lab",
                                                        "cri_server")
    if not os.access(path, os.X_OK):
        raise AssertionError(f"there is no '{path}': 'make check-integration' builds it, or name one in CRI_SERVER")
    return os.path.abspath(path)


class CrioStory(unittest.TestCase):
    """Each class has an API server, each test a CRI-O and an agent."""

    options = ()

    @classmethod
    def setUpClass(cls):
        folder = support.Folder()
        cls.addClassCleanup(folder.remove)
        cls.folder = folder.path
        cls.double = support.start_api(cls, cls.folder)
        cls.pods = Pods(cls.double.client())

    def setUp(self):
        self.pods.delete_all()
        self.waiters = 0
        self.crio = CriDouble(cri_server(), os.path.join(self.folder, "crio.sock"))
        self.addCleanup(self.crio.stop)
        self.speak_as_crio()
        self.before_the_agent()
        self.started = time.monotonic()
        self.agent = support.start_agent(self, [
            "--node-name=lab-node", f"--cri.endpoint={self.crio.endpoint}", "--kube.events=off",
            *self.double.agent_flags(), *self.options])
        self.agent.wait_ready()
        support.wait_for(lambda: self.metric("runtime_info") == 1, "the runtime is known")
        self.answers = Answers(self, self.agent)

    def before_the_agent(self):
        """What exists before the agent starts."""

    def speak_as_crio(self):
        self.crio.tell("version", "cri-o", VERSION)
        self.crio.tell("image-fs", IMAGES, 4096)
        for method in ("ListStatuses", "List"):
            self.crio.tell("refuse", method, 12)  # Unimplemented

    # --- pods ---

    def create_waiting(self, name, image=IMAGE):
        """A pod that waits for its image. Returns its uid."""
        return self.pods.create(pod(name, image=image), waiting("ContainerCreating"))

    def one_more_waits(self):
        """One more waiting pod: the agent polls the runtime now."""
        self.waiters += 1
        return self.create_waiting(f"waiter-{self.waiters}")

    # --- what the agent shows ---

    def metric(self, name, **labels):
        return self.agent.metrics().value("imagepull_" + name, **labels)

    def errors(self, method, code):
        return self.metric("cri_request_errors_total", method=method, code=code) or 0

    def source(self):
        sources = json.loads(self.agent.get("/debug/sources")[1])["sources"]
        return next(source for source in sources if source["source"] == "cri")

    def up(self):
        return self.metric("source_up", source="cri")

    def log_lines(self, *words):
        """The log lines of the source cri, at info and above, that contain all the words."""
        return [line for line in self.agent.log().splitlines()
                if "component=cri" in line and all(word in line for word in words)]

    def answers_until(self, condition, what):
        """Wait for `condition`. The agent answers all the time."""
        def answers_and_holds():
            self.answers.check()
            return bool(condition())

        support.wait_for(answers_and_holds, what)

    def holds_for(self, seconds, check):
        """Call `check` again and again for so many seconds. It raises if something is wrong."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.answers.check()
            check()
            time.sleep(0.1)

    @contextlib.contextmanager
    def agent_stopped(self):
        """The agent sees what happens here as one moment."""
        os.kill(self.agent.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.agent.pid, signal.SIGCONT)

    # --- outages ---

    def goes_down(self, *words):
        """Wait until the source is down. Its last error contains the words."""
        self.answers_until(lambda: self.up() == 0, "the outage is noticed")
        source = self.source()
        self.assertEqual(source["state"], "down")
        for word in words:
            self.assertIn(word, source["last_error"])

    def comes_back(self):
        self.answers_until(lambda: self.up() == 1, "its return is noticed")
        self.assertEqual(self.source()["state"], "up")

    def assert_logged(self, outages):
        """One warning for each reason of an outage and one line for its end, however many attempts failed."""
        self.assertEqual(len(self.log_lines("answers again")), outages, self.agent.log())
        reasons = [[] for _ in range(outages)]
        for line in self.log_lines():
            if "answers again" in line:
                reasons.pop(0)
            elif "level=warn" in line:
                self.assertIn("retrying in", line)
                reason = line[line.index("msg="):line.index("; retrying in")]
                self.assertNotIn(reason, reasons[0], self.agent.log())
                reasons[0].append(reason)
        self.assertEqual(reasons, [], self.agent.log())
