# SPDX-License-Identifier: Apache-2.0
"""
An API server that misbehaves. The tests are in faults_*.py, one file for each kind of fault. They mostly
wait, so all of them run side by side.
"""

import unittest

import support  # must come first: it makes the modules of the lab importable
from side_by_side import SideBySide, flat

# The slowest come first.
KINDS = ("silence", "requests", "connections", "streams", "events", "clock")


def load_tests(loader, tests, pattern):
    support.agent_binary()  # if it is missing, fail once and not in each test
    return SideBySide(flat(loader.loadTestsFromNames([f"faults_{kind}" for kind in KINDS])))


if __name__ == "__main__":
    unittest.main()
