# SPDX-License-Identifier: Apache-2.0
"""The kubelet's log: when it tried to pull for a container, when it only looked, and when its back-off ends."""

import collections
import datetime
import re

# kubelet: pkg/kubelet/kubelet.go, imageBackOffPeriod and MaxImageBackOff. It doubles with each failure.
_BACK_OFF_SECONDS, _LONGEST_BACK_OFF_SECONDS = 10, 300

_LINE = re.compile(r'^[IE](\d{4} [\d:.]+) .*?\] (?:"Kubelet version"|"Error syncing pod, skipping") .*$', re.M)
_POD = re.compile(r' podUID="([^"]*)"$')
_CONTAINER = re.compile(r'failed to \\"StartContainer\\" for \\"([^"\\]+)\\" with (ErrImagePull|ImagePullBackOff):')


class Failures:
    """
    The failed pulls of one container: seconds since 1970 of each attempt, the end of the back-off after the last one,
    and `looked`: when the kubelet looked at the pod without an attempt. A kubelet that restarts forgets its back-offs;
    then back_off_ends is None until the next attempt.
    """

    def __init__(self):
        self.attempts, self.looked, self.back_off_ends = [], [], None
        self._since_start = 0

    def tried(self, at):
        self.attempts.append(at)
        self.back_off_ends = at + min(_BACK_OFF_SECONDS << self._since_start, _LONGEST_BACK_OFF_SECONDS)
        self._since_start += 1

    def restarted(self):
        self._since_start, self.back_off_ends = 0, None

    def reported(self):
        """
        When the status of the last attempt was written, or None. The kubelet writes it when it looks at the pod again,
        10 to 15 s later.
        """
        return next((at for at in self.looked if at > self.attempts[-1]), None)


def _seconds(text):
    """Seconds since 1970 of a time in the log, which has no year."""
    return datetime.datetime.strptime(f"{datetime.date.today().year}{text}", "%Y%m%d %H:%M:%S.%f").timestamp()


def failures(log):
    """{(pod uid, container): Failures} in a text of the log."""
    found = collections.defaultdict(Failures)
    for line in _LINE.finditer(log):
        pod, at = _POD.search(line.group()), _seconds(line.group(1))
        for container, reason in _CONTAINER.findall(line.group()) if pod else ():
            known = found[pod.group(1), container]
            known.tried(at) if reason == "ErrImagePull" else known.looked.append(at)
        for known in () if pod else found.values():
            known.restarted()
    return found


class Promise:
    """What an agent says about the next attempt of a container, to be compared with the attempt when it comes."""

    def __init__(self, failure, last_failure, next_retry):
        self._name = f"{failure['pod']}/{failure['container']}"
        self._key = failure["pod_uid"], failure["container"]
        self._last, self._next = last_failure, next_retry

    def broken(self, log, tolerance):
        """
        A sentence if the promise is wrong, None if it is right, False while the attempt has not come. The kubelet looks
        at a pod every 10 to 15 s, and tries if its back-off has ended. So the promise is right if it lies behind the
        last look without an attempt, and not behind the attempt.
        """
        known = failures(log)[self._key]
        tried = next((at for at in known.attempts if at > self._last + tolerance), None)
        if tried is None:
            return False
        if tried < self._next - tolerance:
            return f"{self._name}: the kubelet tries {self._next - tried:.1f} s before next_retry"
        looked = max((at for at in known.looked if at < tried), default=0)
        if looked > self._next + tolerance:
            return f"{self._name}: the kubelet still waits {looked - self._next:.1f} s after next_retry"
        return None
