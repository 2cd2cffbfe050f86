# SPDX-License-Identifier: Apache-2.0
"""
An API server that misbehaves, and what the agent makes of it. The tests are in faults_*.py, one
file for each kind of fault; they wait for most of their time, so all of them run side by side.
"""

import unittest

import support  # finds the lab's modules, for all that follow
from side_by_side import SideBySide, flat

# The slowest first.
KINDS = ("silence", "requests", "connections", "streams", "events", "clock")


def load_tests(loader, tests, pattern):
    support.agent_binary()  # else each of them would say that there is none
    return SideBySide(flat(loader.loadTestsFromNames([f"faults_{kind}" for kind in KINDS])))


if __name__ == "__main__":
    unittest.main()
