# SPDX-License-Identifier: Apache-2.0
"""Whether the agent answers at once, and at what cost, while its runtime does not answer."""

import threading
import time


class Lateness:
    """How late the machine is: a thread sleeps a little again and again, and measures how much longer it was."""

    SLEEP_SECONDS = 0.02

    def __init__(self):
        self._worst, self._lock, self._over = 0, threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        begun = time.monotonic()
        while not self._over.wait(self.SLEEP_SECONDS):
            now = time.monotonic()
            with self._lock:
                self._worst = max(self._worst, now - begun - self.SLEEP_SECONDS)
            begun = now

    def take(self):
        """The worst seconds since the last call."""
        with self._lock:
            worst, self._worst = self._worst, 0
            return worst

    def stop(self):
        self._over.set()
        self._thread.join()


class Answers:
    """
    Asks an agent for every kind of answer while its runtime does not answer: an agent that waits for the runtime first
    would be slow, and one that retries all the time would need the processor. How slow is too slow depends on the
    machine, so the agent's usual time and cost are measured first, and how late the machine is during each round.
    """

    CPU_SHARE = 0.05  # of one processor, besides the answers
    PATHS = {"web": ("/metrics", "/-/healthy", "/-/ready"), "debug": ("/debug/failures", "/debug/images", "/")}
    USUAL_ROUNDS = 10

    def __init__(self, test, agent):
        self._agent, self._lateness = agent, Lateness()
        test.addCleanup(self._lateness.stop)
        self.watch_cost()
        self._limit = max(2.0, 20 * max(self._slowest() for _ in range(self.USUAL_ROUNDS)))
        _, cpu_seconds, requests = self._spent()
        self._cpu_of_request = cpu_seconds / requests
        self.watch_cost()

    def _spent(self):
        """Seconds, the agent's seconds of the processor, and requests, since the last watch_cost()."""
        return [now - before for now, before in zip(self._clocks(), self._before)]

    def _clocks(self):
        return time.monotonic(), self._agent.cpu_seconds(), self._agent.requests

    def watch_cost(self):
        self._before = self._clocks()

    def check_cost(self):
        """Since the last watch_cost()."""
        seconds, cpu_seconds, requests = self._spent()
        limit = self.CPU_SHARE * seconds + 3 * self._cpu_of_request * requests
        if cpu_seconds > limit:
            raise RuntimeError(f"{cpu_seconds:.2f} s of the processor in {seconds:.1f} s with {requests} requests; the "
                               f"limit is {limit:.2f} s")

    def _slowest(self):
        """One request for each path; the seconds of the slowest."""
        slowest = 0
        for listener, paths in self.PATHS.items():
            for path in paths:
                begun = time.monotonic()
                status, _ = self._agent.get(path, getattr(self._agent, listener))
                if status != 200:
                    raise RuntimeError(f"{path} answered {status}")
                slowest = max(slowest, time.monotonic() - begun)
        return slowest

    def check(self):
        self._lateness.take()
        seconds = self._slowest()
        limit = max(self._limit, 20 * self._lateness.take())
        if seconds > limit:
            raise RuntimeError(f"an answer took {seconds:.1f} s, the limit is {limit:.1f} s")
