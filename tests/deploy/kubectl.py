#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
kubectl of Debian's unstable suite: only unpacked, never installed.

    kubectl.py        fetch it if it is not there yet, and print its path

What was fetched (see tests/lab/suites.py) is kept in build/deploy (or $DEPLOY_CACHE).
"""

import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = os.environ.get("DEPLOY_CACHE") or os.path.join(ROOT, "build", "deploy")
sys.path.insert(0, os.path.join(ROOT, "tests", "lab"))

import suites  # noqa: E402
from procs import LabError  # noqa: E402


def path():
    """The program. Fetches it when it is missing."""
    return os.path.join(suites.programs("kubectl", "sid", CACHE, ["kubectl", "version", "--client"]), "kubectl")


if __name__ == "__main__":
    try:
        print(path())
    except (LabError, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"kubectl of Debian sid cannot be had: {error}")
