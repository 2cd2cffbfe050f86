#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Builds the container image with buildah, on a Debian from debootstrap, so no public registry is needed.

    image_builder.py ARCHIVE     write the image as an OCI archive, unless ARCHIVE was made of the same files

The base image is kept in build/deploy (or $DEPLOY_CACHE).
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "tests", "lab")]

import kubectl  # noqa: E402
import suites  # noqa: E402
from procs import LabError  # noqa: E402

EPOCH = "1700000000"


def command(*argv, **more):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, **more)
    if done.returncode != 0:
        output = (done.stderr or done.stdout)[-3000:]
        raise AssertionError(f"{' '.join(argv[:8])} ended with {done.returncode}:\n{output}")
    return done.stdout


def base_of_the_dockerfile():
    with open(os.path.join(ROOT, "Dockerfile")) as source:
        return re.search(r"^ARG BASE=(\S+)$", source.read(), re.M).group(1)


def copy_sources(destination):
    """Copy the files that the image is made of: all but those in .dockerignore."""
    with open(os.path.join(ROOT, ".dockerignore")) as source:
        patterns = [line.strip().removeprefix("**/") for line in source if line.strip() and not line.startswith("#")]
    shutil.copytree(ROOT, destination, ignore=shutil.ignore_patterns(*patterns))


class Builder:
    """buildah with its own store, which has the base image under the name in the Dockerfile."""

    def __init__(self, folder):
        self._store = ["--root", os.path.join(folder, "store"), "--runroot", os.path.join(folder, "run"),
                       "--storage-driver", "vfs"]
        # A copy, so that two builds use the same files even if the checkout changes.
        self.checkout = os.path.join(folder, "checkout")
        copy_sources(self.checkout)
        base = base_of_the_dockerfile()
        container = self("from", "scratch").strip()
        self("add", container, self._base_archive(re.search(r":([a-z]+)", base).group(1)), "/")
        self("commit", "--rm", "--quiet", container, base)

    def __call__(self, *arguments):
        return command("buildah", *self._store, *arguments, cwd=self.checkout)

    @staticmethod
    def _base_archive(suite):
        """Created once and kept, like kubectl."""
        os.makedirs(kubectl.CACHE, exist_ok=True)
        archive = os.path.join(kubectl.CACHE, f"debian-{suite}.tar")
        if not os.path.exists(archive):
            with tempfile.TemporaryDirectory(dir=kubectl.CACHE) as scratch:
                command("debootstrap", "--variant=minbase", suite, os.path.join(scratch, "root"), suites.mirror())
                command("tar", "-C", os.path.join(scratch, "root"), "-cf", archive + ".part", ".")
            os.rename(archive + ".part", archive)
        return archive

    def build(self, tag, *options):
        """Builds without a cache."""
        self("build", *options, "--no-cache", "--isolation=chroot", "--pull-never", "--network=host", "--timestamp", EPOCH,
             "--build-arg", "SOURCE_DATE_EPOCH=" + EPOCH, "--build-arg", "REVISION=of-the-test", "-t", tag, ".")
        return json.loads(self("inspect", "--type", "image", tag))

    def make(self, tag, folder):
        """Builds with "make image", which writes the list of the content into `folder`/image."""
        command("make", "image", "TOOL=buildah " + " ".join(self._store), "IMAGE=" + tag, "BUILD=" + folder,
                "epoch=" + EPOCH, "REVISION=of-the-test", cwd=self.checkout,
                env={**os.environ, "BUILDAH_ISOLATION": "chroot"})
        return json.loads(self("inspect", "--type", "image", tag))

    def mount(self, tag):
        return self("mount", self("from", "--pull-never", tag).strip()).strip()

    def write_archive(self, tag, path):
        self("push", "--quiet", tag, f"oci-archive:{path}:{tag}")


def digest_of_sources():
    """Changes with the files that the image is made of, and with their modes."""
    with tempfile.TemporaryDirectory() as folder:
        sources = os.path.join(folder, "sources")
        copy_sources(sources)
        digest = hashlib.sha256()
        for where, folders, names in os.walk(sources):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(where, name)
                digest.update(f"{os.path.relpath(path, sources)} {os.stat(path).st_mode:o}\0".encode())
                with open(path, "rb") as source:
                    digest.update(hashlib.sha256(source.read()).digest())
    return digest.hexdigest()


def make_archive(path):
    """Build the image and write it to `path`, unless it is there and was made of the same files."""
    stamp, sources = path + ".stamp", digest_of_sources()
    if os.path.exists(path) and os.path.exists(stamp):
        with open(stamp) as made_of:
            if made_of.read() == sources:
                return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    print(f"  IMAGE {path} (takes minutes)", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="imagepull-image-") as folder:
        builder = Builder(folder)
        builder.build("imagepull-exporter:cluster")
        builder.write_archive("imagepull-exporter:cluster", path + ".part")
    os.rename(path + ".part", path)
    with open(stamp, "w") as made_of:
        made_of.write(sources)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: image_builder.py ARCHIVE")
    try:
        make_archive(os.path.abspath(sys.argv[1]))
    except (AssertionError, LabError, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"cannot build the image: {error}")
