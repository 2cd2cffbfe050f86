# SPDX-License-Identifier: Apache-2.0
"""
Cleans up behind a lab, however that ended: the kernel closes the lab's end of our standard input.

    keeper.py CGROUP DIRECTORY REMOVE(yes or no)

Then every process of the lab is dying already (see procs.py); left are empty control groups and
the lab's folder. "keep" on standard input says that the folder is still wanted.
"""

import glob
import os
import shutil
import signal
import sys
import time

TIMEOUT_SECONDS = 120


def remove_cgroups(name):
    """Whether none is left. A group can be removed once its last process is gone."""
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
