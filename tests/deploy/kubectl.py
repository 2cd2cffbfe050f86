#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
kubectl from Debian's unstable suite. It is only unpacked, not installed.

    kubectl.py        download it if it is missing, and print its path

Downloads are kept in build/deploy (or $DEPLOY_CACHE); see tests/lab/suites.py.
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
    """The path of the program. Downloads it if it is missing."""
    return os.path.join(suites.programs("kubectl", "sid", CACHE, ["kubectl", "version", "--client"]), "kubectl")


if __name__ == "__main__":
    try:
        print(path())
    except (LabError, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"cannot download kubectl from Debian sid: {error}")
