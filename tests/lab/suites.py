# SPDX-License-Identifier: Apache-2.0
"""
Packages of other Debian suites. They are only unpacked, not installed.

apt downloads them with the settings, mirror and keys of this machine, but with lists and folders of its own, so that
nothing changes for the packages of this machine. Downloads are kept and used again.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile

from procs import LabError, clean_environment, require

TIMEOUT_SECONDS = 600
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def installed_suite():
    """The code name of the Debian of this machine, or None."""
    try:
        with open("/etc/os-release") as release:
            fields = dict(line.strip().partition("=")[::2] for line in release if "=" in line)
    except OSError:
        return None
    return fields.get("VERSION_CODENAME", "").strip('"') or None


def mirror():
    """The Debian archive in the apt sources of this machine."""
    targets = _run([require("apt-get", "apt"), "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)",
                    "Created-By: Packages"], "asking apt for this machine's sources")
    for line in targets.splitlines():
        release, component, address = line.split(" ", 2)
        if component == "main" and release in (installed_suite(), "stable", "oldstable", "testing", "unstable"):
            return address
    raise LabError("no apt source of this machine is a Debian archive")


def programs(package, suite, cache, first_run):
    """
    The folder with the package's programs, downloaded into `cache` if it is missing. `first_run` is a program of it
    with arguments. It is run once, because it may need a newer C library than this machine has.
    """
    if not suite.isalnum():
        raise LabError(f"'{suite}' is not the name of a Debian suite")
    os.makedirs(cache, exist_ok=True)
    place = os.path.join(cache, f"{package}-{suite}")
    with open(place + ".lock", "w") as lock:  # one process downloads, the others wait; the lock ends with its process
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(place):
            with tempfile.TemporaryDirectory(prefix=f".{suite}-", dir=cache) as scratch:
                os.rename(_unpack(_download(package, suite, scratch), scratch, first_run), place)
    return os.path.join(place, "usr", "bin")


def _download(package, suite, scratch):
    """Download the suite's package. apt writes only below `scratch`. Returns the path."""
    for name in ("state/lists/partial", "cache/archives/partial", "package"):
        os.makedirs(os.path.join(scratch, name))
    sources = os.path.join(scratch, "sources.list")
    with open(sources, "w") as out:
        out.write(f"deb [signed-by={_KEYRING}] {mirror()} {suite} main\n")
    settings = {
        "Dir::Etc::sourcelist": sources, "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": scratch + "/state", "Dir::State::status": "/dev/null", "Dir::Cache": scratch + "/cache",
        "Acquire::Languages": "none", "Acquire::Retries": "1",
        "Acquire::http::Timeout": "20", "Acquire::https::Timeout": "20",
        # The user _apt cannot reach the folder.
        "APT::Sandbox::User": "root",
    }
    command = ["apt-get", "-q", *(f"-o{name}={value}" for name, value in settings.items())]
    _run([*command, "update"], f"reading the package list of {suite}")
    _run([*command, "download", package], f"downloading {package} of {suite}", os.path.join(scratch, "package"))
    name, = os.listdir(os.path.join(scratch, "package"))
    return os.path.join(scratch, "package", name)


def _unpack(package, scratch, first_run):
    place = os.path.join(scratch, "unpacked")
    _run([require("dpkg", "dpkg"), "-x", package, place], f"unpacking {os.path.basename(package)}")
    _run([os.path.join(place, "usr", "bin", first_run[0]), *first_run[1:]], f"running {os.path.basename(package)}")
    for unneeded in ("usr/share", "lib"):
        shutil.rmtree(os.path.join(place, unneeded), ignore_errors=True)
    return place


def _run(argv, what, cwd=None):
    # With the proxy settings of the machine: apt may need them to reach the mirror.
    proxies = {k: v for k, v in os.environ.items() if k.lower().endswith("_proxy")}
    done = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=TIMEOUT_SECONDS, env=clean_environment(LC_ALL="C", **proxies))
    # apt-get update exits with 0 even if it cannot reach the mirror, so its output is checked.
    failed = done.returncode != 0 or any(line.startswith("W: Failed to fetch") for line in done.stdout.splitlines())
    if failed:
        raise LabError(f"{what}: {_reason(done.stdout) or f'status {done.returncode}'}")
    return done.stdout


def _reason(output):
    """apt's error, or else the last line of its output."""
    lines = output.strip().splitlines()
    return " ".join([line[3:] for line in lines if line.startswith(("E: ", "W: Failed"))] or lines[-3:])
