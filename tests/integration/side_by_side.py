# SPDX-License-Identifier: Apache-2.0
"""
Runs the classes of a test module at the same time. For tests that mostly wait:

    load_tests = side_by_side.load_tests
"""

import itertools
import unittest
from concurrent.futures import ThreadPoolExecutor

AT_ONCE = 8

RECORDED = ("startTest", "stopTest", "addSuccess", "addError", "addFailure", "addSkip", "addSubTest",
        "addExpectedFailure", "addUnexpectedSuccess", "addDuration")


class Recorder(unittest.TestResult):
    """Records the results of one class and reports them when all of its tests have ended."""

    def __init__(self):
        super().__init__()
        self._calls = []
        for name in RECORDED:
            setattr(self, name, self._recording(name))

    def _recording(self, name):
        return lambda *args: self._calls.append((name, args))

    def tell(self, result):
        for name, args in self._calls:
            getattr(result, name, lambda *_: None)(*args)


class SideBySide(unittest.TestSuite):
    """Runs each class in a thread. Its child processes end before the thread does, as procs.Process requires."""

    def run(self, result, debug=False):
        groups = [list(tests) for _, tests in itertools.groupby(flat(self), type)]
        recorders = [Recorder() for _ in groups]
        with ThreadPoolExecutor(AT_ONCE) as threads:
            runs = [threads.submit(unittest.TestSuite(tests).run, recorder)
                    for tests, recorder in zip(groups, recorders)]
            for run, recorder in zip(runs, recorders):
                run.result()
                recorder.tell(result)
        return result


def flat(suite):
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from flat(each)
        else:
            yield each


def load_tests(loader, tests, pattern):
    return SideBySide(flat(tests))
