# SPDX-License-Identifier: Apache-2.0
"""The Makefile: what it compiles again, what it refuses, what it never does. Each test works in a copy of the sources."""

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def copy_sources(test, name):
    """Copies the files that git tracks, or all files without git. Returns the path of the copy."""
    folder = tempfile.mkdtemp(prefix=f"imagepull-{name}-")
    (test.addClassCleanup if isinstance(test, type) else test.addCleanup)(shutil.rmtree, folder)
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        names = [line for line in listed.stdout.splitlines() if os.path.exists(os.path.join(ROOT, line))]
    else:
        names = [os.path.relpath(os.path.join(top, name), ROOT) for top, _, files in os.walk(ROOT) for name in files
                 if not os.path.relpath(top, ROOT).startswith("build")]
    for path in names:
        target = os.path.join(folder, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy2(os.path.join(ROOT, path), target)
    return folder


def make(folder, *arguments, path=None, **environment):
    """(exit status, output). Nothing of the make that runs this test comes in."""
    env = {key: value for key, value in os.environ.items()
           if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "WERROR", "SAN", "BUILD", "CFLAGS", "DEPS")}
    env.update(environment, PATH=path or env["PATH"])
    done = subprocess.run(["make", f"-j{os.cpu_count()}", "CC=gcc", *arguments], cwd=folder, env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)


def compiled(output):
    return set(re.findall(r"^  CC +(\S+)$", output, re.M))


class WholeBuild(unittest.TestCase):
    """Two builds of the same sources, in two folders."""

    @classmethod
    def setUpClass(cls):
        cls.one, cls.two = copy_sources(cls, "one"), copy_sources(cls, "another-folder")
        for folder in (cls.one, cls.two):
            status, output = make(folder, "all", "REVISION=0123456789ab")
            if status != 0:
                raise AssertionError(output)
        cls.programs = [cls.stripped(folder) for folder in (cls.one, cls.two)]

    def version(self, folder):
        return subprocess.run([os.path.join(folder, "build", "imagepull-exporter"), "--version"], capture_output=True,
                              text=True, check=True).stdout

    @staticmethod
    def stripped(folder):
        out = os.path.join(folder, "stripped")
        subprocess.run(["strip", "-o", out, os.path.join(folder, "build", "imagepull-exporter")], check=True)
        with open(out, "rb") as file:
            return file.read()

    def test_the_folder_does_not_change_the_program(self):
        self.assertTrue(self.programs[0] == self.programs[1], "the stripped programs differ")

    def test_a_new_version_compiles_only_what_shows_it(self):
        users = {name for name in subprocess.run(["grep", "-rl", '#include "version.h"', "agent", "cri", "exporter"],
                                                 cwd=self.two, capture_output=True, text=True, check=True
                                                 ).stdout.split()}
        self.assertEqual(compiled(make(self.two, "all", "REVISION=0123456789ab")[1]), set())
        write(self.two, "VERSION", "7.8.9\n")
        self.assertEqual(compiled(make(self.two, "all", "REVISION=0123456789ab")[1]), users)
        self.assertIn("7.8.9", self.version(self.two))
        self.assertEqual(compiled(make(self.two, "all", "REVISION=ba9876543210")[1]), users)
        self.assertIn("ba9876543210", self.version(self.two))

    def test_the_program_is_hardened(self):
        symbols = subprocess.run(["nm", "-D", os.path.join(self.one, "build", "imagepull-exporter")],
                                 capture_output=True, text=True, check=True).stdout
        for name in ("__stack_chk_fail", "__memcpy_chk", "__vsnprintf_chk"):
            self.assertIn(name, symbols)
        flags = make(self.one, "-n", "-B", "build/agent/main.o")[1]
        for flag in ("-D_FORTIFY_SOURCE=3", "-fstack-clash-protection", "-ftrivial-auto-var-init=zero"):
            self.assertIn(flag, flags)


class Refusals(unittest.TestCase):
    def setUp(self):
        self.folder = copy_sources(self, "make")

    def test_a_missing_library_is_named_and_nothing_is_installed(self):
        # These programs only record that they were called.
        tools = os.path.join(self.folder, "recorders")
        os.mkdir(tools)
        for name in ("apt-get", "sudo"):
            write(tools, name, f"#!/bin/sh\necho {name} >>{self.folder}/called\n")
            os.chmod(os.path.join(tools, name), 0o755)
        path = f"{tools}:{os.environ['PATH']}"
        for target in ("all", "check-unit"):
            status, output = make(self.folder, target, path=path, PKG_CONFIG_LIBDIR="/nonexistent")
            self.assertNotEqual(status, 0)
            self.assertIn("libcurl4-openssl-dev is missing: pkg-config does not find libcurl", output)
            self.assertIn("make packages", output)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "called")))

    def test_a_warning_is_an_error_only_when_asked_for(self):
        with open(os.path.join(self.folder, "agent/base/err.c"), "a", encoding="utf-8") as source:
            source.write("int warned_about(int unused)\n{\n    return 0;\n}\n")
        status, output = make(self.folder, "build/agent/base/err.o")
        self.assertEqual(status, 0, output)
        self.assertIn("warning:", output)
        status, output = make(self.folder, "build-werror/agent/base/err.o", "WERROR=1")
        self.assertNotEqual(status, 0)
        self.assertIn("-Werror", output)


class Tarball(unittest.TestCase):
    def setUp(self):
        self.folder = copy_sources(self, "dist")
        write(self.folder, ".gitconfig", "[user]\nname = test\nemail = test@localhost\n")
        os.environ["HOME"], home = self.folder, os.environ.get("HOME", "/")
        self.addCleanup(os.environ.__setitem__, "HOME", home)
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "sources"]):
            subprocess.run(["git", *command], cwd=self.folder, check=True)

    def dist(self):
        status, output = make(self.folder, "dist")
        self.assertEqual(status, 0, output)
        path, = [os.path.join(self.folder, "build", name) for name in os.listdir(os.path.join(self.folder, "build"))
                 if name.endswith(".tar.gz")]
        with open(path, "rb") as file:
            return path, file.read()

    def test_the_same_commit_gives_the_same_bytes(self):
        path, first = self.dist()
        os.unlink(path)
        shutil.rmtree(os.path.join(self.folder, "build"))
        subprocess.run(["touch", "-d", "2001-01-01", "Makefile"], cwd=self.folder, check=True)
        self.assertTrue(self.dist()[1] == first, "the tarballs differ")

    def test_a_build_from_the_tarball_knows_its_revision(self):
        revision = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=self.folder, capture_output=True,
                                  text=True, check=True).stdout.strip()
        target = tempfile.mkdtemp(prefix="imagepull-tarball-")
        self.addCleanup(shutil.rmtree, target)
        with tarfile.open(self.dist()[0]) as tarball:
            tarball.extractall(target)
        unpacked, = [os.path.join(target, name) for name in os.listdir(target)]
        status, output = make(unpacked, "build/gen/version.h")
        self.assertEqual(status, 0, output)
        with open(os.path.join(unpacked, "build/gen/version.h"), encoding="utf-8") as header:
            self.assertIn(f'"{revision}"', header.read())


if __name__ == "__main__":
    unittest.main()
