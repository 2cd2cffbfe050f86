# SPDX-License-Identifier: Apache-2.0
"""The counters in an agent's /metrics, over its whole life: they never fall, never vanish, and add up."""

import http.client
import os
import threading

import truth

SECONDS_BETWEEN = 1
_COUNTERS = ("_total", "_bucket", "_count", "_sum")


class Recorder:
    """
    Reads /metrics of `agent` every second until stop(), and remembers each counter. check() fails if one of them was
    ever wrong.
    """

    def __init__(self, agent, cluster):
        self._agent, self._cluster = agent, cluster
        self._log_before = os.path.getsize(cluster.kubelet.log_path)
        self._last, self._faults = {}, []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._record, daemon=True)
        self._thread.start()

    def _record(self):
        while not self._ended.wait(SECONDS_BETWEEN):
            self.observe()

    def observe(self):
        """Read /metrics now. Returns it, or None if the agent does not answer."""
        with self._lock:  # so that an older answer is never compared with a newer one
            if self._ended.is_set():
                return None
            try:
                metrics = self._agent.metrics()
            except ConnectionRefusedError:
                self._ended.set()  # it has ended, and its port can become that of another agent
                return None
            except (OSError, http.client.HTTPException):
                return None
            self._compare({_series(s): s.value for s in metrics.samples if s.name.endswith(_COUNTERS)})
            self._faults += _sums(metrics)
            return metrics

    def _compare(self, now):
        for series, before in self._last.items():
            if series not in now:
                self._faults.append(f"{series} was {before:g} and has vanished")
            elif now[series] < before:
                self._faults.append(f"{series} fell from {before:g} to {now[series]:g}")
        self._last = now

    def check(self):
        """Fail if a counter was wrong since the last check."""
        self.observe()
        with self._lock:
            faults, self._faults = self._faults, []
        if faults:
            raise AssertionError("; ".join(faults[:10]))

    def stop(self):
        """One more reading, the last one."""
        self.observe()
        self._ended.set()
        self._thread.join()

    def differences(self, *registries):
        """
        Sentences about failed pulls that the agent has counted since it started, and the kubelet has not tried, or the
        other way round. `registries`: only these (default: all). The agent must have been there before the pods.
        """
        metrics = self.observe()
        if metrics is None:
            return ["the agent does not answer"]
        with open(self._cluster.kubelet.log_path, errors="replace") as log:
            log.seek(self._log_before)
            tried = truth.failed_pulls(log.read()) + truth.limited_pulls(self._cluster.api)
        counted = {}
        for sample in metrics.find("imagepull_failures_total"):
            registry = sample.labels["registry"]
            counted[registry] = counted.get(registry, 0) + int(sample.value)
        return [f"{registry}: the agent counts {counted.get(registry, 0)} failed pulls, the kubelet "
                f"{tried.get(registry, 0)}"
                for registry in sorted(registries or {*tried, *counted})
                if counted.get(registry, 0) != tried.get(registry, 0)]


def _series(sample):
    return sample.line.rpartition(" ")[0]


def _sums(metrics):
    """What is wrong in one answer: it is from one moment, so its counters agree with each other."""
    by_registry = metrics.value("imagepull_failures_total") or 0
    by_reason = metrics.value("imagepull_failure_reasons_total") or 0
    if by_registry != by_reason:
        yield f"{by_registry:g} failures by registry are {by_reason:g} by reason"
    for sample in metrics.find("imagepull_attempts_total"):
        failures = metrics.value("imagepull_failures_total", registry=sample.labels["registry"]) or 0
        if failures > sample.value:
            yield f"{sample.labels['registry']}: {failures:g} of {sample.value:g} pulls failed"
