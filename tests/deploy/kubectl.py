#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
kubectl of Debian's unstable suite: only unpacked, never installed.

    kubectl.py        fetch it if it is not there yet, and print its path

apt does it with the machine's own mirror, settings and keys, but with lists and folders of its own. What was
fetched is kept in build/deploy (or $DEPLOY_CACHE): the second time nothing is downloaded.
"""

import fcntl
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATIENCE_SECONDS = 180
_SUITE, _PACKAGE = "sid", "kubectl"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_OURS = ("stable", "oldstable", "testing", "unstable", "bookworm", "trixie", "sid")


class Unavailable(Exception):
    """This machine cannot have it; the text says why."""


def path():
    """The program. Fetches it when it is missing."""
    cache = os.environ.get("DEPLOY_CACHE") or os.path.join(ROOT, "build", "deploy")
    os.makedirs(cache, exist_ok=True)
    place = os.path.join(cache, f"{_PACKAGE}-{_SUITE}")
    with open(place + ".lock", "w") as lock:  # one fetches, the others wait
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(place):
            with tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache) as scratch:
                os.rename(_fetch(scratch), place)
    return os.path.join(place, "usr", "bin", "kubectl")


def mirror():
    """Where this machine gets its Debian from, as its own sources say."""
    targets = _run(["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)",
                    "Created-By: Packages"], "asking apt for this machine's sources")
    for line in targets.splitlines():
        release, component, address = line.split(" ", 2)
        if component == "main" and release in _OURS:
            return address
    raise Unavailable("none of this machine's apt sources is a Debian archive")


def _fetch(scratch):
    for name in ("state/lists/partial", "cache/archives/partial", "package"):
        os.makedirs(os.path.join(scratch, name))
    sources = os.path.join(scratch, "sources.list")
    with open(sources, "w") as out:
        out.write(f"deb [signed-by={_KEYRING}] {mirror()} {_SUITE} main\n")
    settings = {
        "Dir::Etc::sourcelist": sources, "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": scratch + "/state", "Dir::State::status": "/dev/null", "Dir::Cache": scratch + "/cache",
        "Acquire::Languages": "none", "Acquire::Retries": "1",
        "APT::Sandbox::User": "root",  # apt's own user could not reach the folder
    }
    apt = ["apt-get", "-q", *(f"-o{name}={value}" for name, value in settings.items())]
    _run([*apt, "update"], f"reading the package list of {_SUITE}")
    _run([*apt, "download", _PACKAGE], f"downloading {_PACKAGE} of {_SUITE}", os.path.join(scratch, "package"))
    package, = os.listdir(os.path.join(scratch, "package"))
    place = os.path.join(scratch, "unpacked")
    _run(["dpkg", "-x", os.path.join(scratch, "package", package), place], f"unpacking {package}")
    # Also when it runs on this machine at all: a newer C library may be needed.
    _run([os.path.join(place, "usr", "bin", "kubectl"), "version", "--client"], f"running {package}")
    return place


def _run(argv, what, cwd=None):
    done = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=PATIENCE_SECONDS, env={**os.environ, "LC_ALL": "C"})
    # apt-get update ends with 0 when it could not reach the mirror, and says so.
    if done.returncode != 0 or "W: Failed to fetch" in done.stdout:
        raise Unavailable(f"{what}: {' '.join(done.stdout.strip().splitlines()[-3:])}")
    return done.stdout


if __name__ == "__main__":
    try:
        print(path())
    except (Unavailable, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"kubectl of Debian {_SUITE} cannot be had: {error}")
