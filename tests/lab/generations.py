#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
The containerd of other Debian suites. They are only unpacked, not installed.

    generations.py fetch SUITE...      download them if they are missing, and print their folders

Downloads are kept in build/lab (or $LAB_CACHE); see suites.py. runc is always the installed one, because a newer one
needs a newer C library.
"""

import argparse
import os
import subprocess
import sys

from procs import HERE, LabError
from suites import installed_suite, programs

_unavailable = {}  # suite: the error, so that a process tries only once


class Unavailable(LabError):
    """This machine cannot use the suite's containerd. The text says why."""


def folder(suite):
    """The folder with the suite's programs; None for the installed ones. Downloads them if they are missing."""
    if suite is None or suite == installed_suite():
        return None
    cache = os.environ.get("LAB_CACHE") or os.path.join(os.path.dirname(os.path.dirname(HERE)), "build", "lab")
    if suite not in _unavailable:
        try:
            return programs("containerd", suite, cache, ["containerd", "--version"])
        except (LabError, OSError, subprocess.SubprocessError) as error:
            _unavailable[suite] = str(error)
    raise Unavailable(f"cannot get containerd of Debian {suite}: {_unavailable[suite]}")


def main():
    parser = argparse.ArgumentParser(description="The containerd of other Debian suites, beside the installed one.")
    commands = parser.add_subparsers(dest="command", required=True)
    fetch = commands.add_parser("fetch", help="fetch what is not there yet and say where it is")
    fetch.add_argument("suite", nargs="+", help="trixie, sid, ...")
    for suite in parser.parse_args().suite:
        try:
            print(f"{suite}: {folder(suite) or 'the installed one'}")
        except Unavailable as error:
            print(f"generations: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
