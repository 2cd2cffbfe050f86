#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Shows the whole path on this machine: a small cluster with pods that cannot pull for eighteen different reasons,
and what the agent shows about each. The cluster is lab.py.

    demo.py --agent build/imagepull-exporter       KEEP=1 leaves it running afterwards

Exits with 1 and a list if the agent is wrong about a pod.
"""

import argparse
import os
import sys
import time

import demo_pods
import registries
from agent import Agent
from images import pause_image
from lab import Ended, Lab, end_on_signals
from procs import LabError

SPEED = 30  # the kubelet's back-off of 10 s to 5 min becomes 0.3 s to 10 s
SHOW_SECONDS = 180  # the pod behind the firewall takes 30 s to fail
RECOVER_SECONDS = 180
LINES_OF_EACH_METRIC = 5
GAUGE, COUNTER = "imagepull_blocked_containers", "imagepull_failures_total"


def say(text=""):
    print(text, flush=True)


def wait(condition, seconds):
    """Wait for `condition`. False if the time is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


class Demo:
    def __init__(self, lab, binary):
        self.lab, self.binary = lab, binary
        self.cases = demo_pods.cases(lab)
        self.failing = [case for case in self.cases if case.cause]
        self.agent = None
        self.problems = []
        self.status = 130  # until there is a result: interrupted

    def run(self):
        self.start()
        self.show_failures()
        self.show_metrics()
        if not self.problems:
            self.show_recovery()

    def start(self):
        self.agent = Agent(self.binary, self.lab.agent_flags(), self.lab.path("agent.log"))
        self.agent.wait_ready()
        for secret in demo_pods.secrets(self.lab):
            self.lab.api.create("secrets", secret)
        for case in self.cases:
            self.lab.api.create("pods", {"metadata": {"name": case.pod},
                                         "spec": {"nodeName": self.lab.node, **case.spec}})
        say(f"{len(self.cases)} pods on node {self.lab.node}, of which {len(self.failing)} cannot pull their image.")
        say("One of them meets a firewall, which takes the runtime 30 s to notice.")

    # --- what the agent shows ---

    def unexplained(self):
        """{pod: what is wrong} of the failing pods, and of working ones that are shown as failing."""
        failures = self.agent.failures()
        wrong = {c.pod: c.problem(failures.get((c.pod, c.container))) for c in self.failing}
        working = {c.pod for c in self.cases} - {c.pod for c in self.failing}
        wrong.update({pod: f"works, but is shown as {f['state']}" for (pod, _), f in failures.items()
                      if pod in working and f["state"] != "recovered"})
        return {pod: problem for pod, problem in wrong.items() if problem}

    def show_failures(self):
        started = time.monotonic()
        wait(lambda: self.agent.check() or not self.unexplained(), SHOW_SECONDS)
        failures, wrong = self.agent.failures(), self.unexplained()
        say(f"\nWhat the agent says about them after {time.monotonic() - started:.0f} s (GET /debug/failures), beside "
            "what is true:\n")
        layout = "  {:<9} {:<8} {:<26} {:<36} {:<12} {:>8}  {}"
        say(layout.format("POD", "IN", "REGISTRY", "CAUSE / REASON", "STATE", "ATTEMPTS", "EXPECTED"))
        for case in self.failing:
            failure = failures.get((case.pod, case.container))
            verdict = "as expected" if case.pod not in wrong else "EXPECTED " + case.expected()
            if failure is None:
                say(layout.format(case.pod, case.container, "-", "-", "-", "-", verdict))
                continue
            say(layout.format(case.pod, case.container, failure["registry"],
                              f"{failure['cause']} / {failure['reason']}", failure["state"], failure["attempts"],
                              verdict))
            say(f"  {'':<9} what we did: {case.story}")
            say(f"  {'':<9} its advice:  {failure['advice']}")
        self.problems += [f"pod {pod}: {problem}" for pod, problem in sorted(wrong.items())]

    def show_metrics(self):
        metrics = self.agent.metrics()
        say("\nWhat Prometheus sees (GET /metrics, some lines):\n")
        for name in (GAUGE, COUNTER, "imagepull_source_up"):
            samples = [s for s in metrics.find(name) if s.value > 0]
            for sample in samples[:LINES_OF_EACH_METRIC]:
                say("  " + sample.line)
            if len(samples) > LINES_OF_EACH_METRIC:
                say(f"  ... and {len(samples) - LINES_OF_EACH_METRIC} more of {name} that are not 0")

    # --- repairs ---

    def blocked(self, cause):
        return self.agent.metrics().value(GAUGE, cause=cause) or 0

    def state(self, pod):
        failure = self.agent.failures().get((pod, "app"))
        return failure["state"] if failure else "not shown"

    def show_recovery(self):
        repairs = [("billing", "unauthorized", "the Secret gets the right password", "recovered", self.repair_secret),
                   ("frontend", "not_found", "the missing tag is pushed", "recovered", self.push_tag),
                   ("crawler", "rate_limited", "the pod is deleted", "gone", self.delete_pod)]
        before = {cause: self.blocked(cause) for _, cause, *_ in repairs}
        say("\nThree of them are repaired:\n")
        for pod, _, words, _, repair in repairs:
            say(f"  {pod}: {words}")
            repair(pod)
        started = time.monotonic()
        done = wait(lambda: all(self.state(pod) == wanted and self.blocked(cause) == before[cause] - 1
                                for pod, cause, _, wanted, _ in repairs), RECOVER_SECONDS)
        say(f"\nAfter {time.monotonic() - started:.0f} s:\n")
        for pod, cause, _, wanted, _ in repairs:
            now, state = self.blocked(cause), self.state(pod)
            say(f"  {pod:<9} {state:<10} {GAUGE}{{cause=\"{cause}\"}} {before[cause]:.0f} -> {now:.0f}")
            if not done and (state != wanted or now != before[cause] - 1):
                self.problems.append(f"pod {pod}: is {state} and not {wanted}, or its gauge did not fall by one")

    def repair_secret(self, _):
        self.lab.api.update("secrets", demo_pods.pull_secret("old-password", self.lab.private.host,
                                                             registries.PASSWORD))

    def push_tag(self, _):
        with open(self.lab.path("pause"), "rb") as program:
            self.lab.open.push(pause_image(program.read()), "lab/pause", "v9")

    def delete_pod(self, pod):
        self.lab.api.delete("pods", pod)

    # --- the end ---

    def say_verdict(self):
        if not self.problems:
            say(f"\nThe agent was right about all {len(self.cases)} pods.")
            self.status = 0
            return
        self.lab.keep_directory()
        say("\nThe agent was wrong:\n" + "".join(f"  {problem}\n" for problem in self.problems))
        say(f"The logs of all parts are in {self.lab.directory}")
        self.status = 1

    def keep_running(self):
        say(f"""
Still running, since KEEP is set:

  failures     curl http://{self.agent.debug[0]}:{self.agent.debug[1]}/debug/failures
  status page  http://{self.agent.debug[0]}:{self.agent.debug[1]}/
  metrics      http://{self.agent.web[0]}:{self.agent.web[1]}/metrics
  the cluster  {self.lab.path('lab.json')}

Ctrl-C, or kill {os.getpid()}, ends all of it.""")
        while True:
            self.lab.check()
            self.agent.check()
            time.sleep(0.5)


def show(lab, binary):
    """Run the demo in a lab that is up. Returns the exit status."""
    demo = Demo(lab, binary)
    try:
        demo.run()
        demo.say_verdict()
        if os.environ.get("KEEP"):
            demo.keep_running()
    except Ended:
        pass
    except Exception:
        lab.keep_directory()
        raise
    finally:
        if demo.agent:
            demo.agent.stop()
    return demo.status


def main():
    parser = argparse.ArgumentParser(description="The agent in a small cluster on this machine.")
    parser.add_argument("--agent", required=True, help="the agent's program")
    args = parser.parse_args()
    end_on_signals()
    lab = None
    try:
        if not os.access(args.agent, os.X_OK):
            raise LabError(f"cannot execute '{args.agent}': build it with 'make'")
        with Lab(speed=SPEED) as lab:
            return show(lab, os.path.abspath(args.agent))
    except Ended:
        return 130
    except (LabError, OSError) as error:
        logs = f"\nThe logs of all parts are in {lab.directory}" if lab else ""
        print(f"demo: {error}{logs}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
