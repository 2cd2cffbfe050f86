# SPDX-License-Identifier: Apache-2.0
"""
Cleans up after a lab, however it ended. It notices the end because the kernel closes its standard input.

    keeper.py CGROUP DIRECTORY REMOVE(yes or no)

By then every process of the lab is ending (see procs.py). Empty control groups and the folder of the lab remain.
With "keep" on standard input the folder is kept.
"""

import glob
import os
import shutil
import signal
import sys
import time

TIMEOUT_SECONDS = 120


def remove_cgroups(name):
    """Whether all are removed. A group can be removed when its last process has ended."""
    for top in glob.glob(f"/sys/fs/cgroup/*/{name}") + glob.glob(f"/sys/fs/cgroup/{name}"):
        for folder, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                return False
    return True


def main():
    cgroup, folder, remove = sys.argv[1], sys.argv[2], sys.argv[3] == "yes"
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    keep = "keep" in sys.stdin.read()

    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not remove_cgroups(cgroup) and time.monotonic() < deadline:
        time.sleep(0.05)
    while remove and not keep and os.path.exists(folder) and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.05)


if __name__ == "__main__":
    main()
