# SPDX-License-Identifier: Apache-2.0
"""scripts/: what they count and what they report."""

import os
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# What cmocka prints for one test that passes and one that fails.
ONE_OF_TWO_FAILS = """\
[==========] Running 2 test(s).
[ RUN      ] good
[       OK ] good
[ RUN      ] bad
[  ERROR   ] --- 0x1 != 0x2
[   LINE   ] --- test.c:7: error: Failure!
[  FAILED  ] bad
[==========] 2 test(s) run.
[  PASSED  ] 1 test(s).
[  FAILED  ] 1 test(s), listed below:
[  FAILED  ] bad

 1 FAILED TEST(S)
"""
SETUP_FAILS = """\
[==========] Running 1 test(s).
[ RUN      ] good
Could not run test: Test setup failed
[  ERROR   ] good
[==========] 1 test(s) run.
[  PASSED  ] 0 test(s).
"""
ALL_PASS = "[ RUN      ] good\n[       OK ] good\n[ RUN      ] better\n[       OK ] better\n"


class RunTests(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = os.path.join(folder.name, "tests")
        os.mkdir(self.folder)

    def program(self, name, output, status):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="ascii") as script:
            script.write(f"#!/bin/sh\ncat <<'END'\n{output}END\nexit {status}\n")
        os.chmod(path, 0o755)
        return path

    def run_tests(self, *programs):
        """(exit status, last line, output)"""
        done = subprocess.run([os.path.join(ROOT, "scripts", "run-tests"), *programs], capture_output=True, text=True,
                              check=False)
        return done.returncode, done.stdout.splitlines()[-1], done.stdout

    def test_passed_tests_are_counted(self):
        status, last, _ = self.run_tests(self.program("one", ALL_PASS, 0), self.program("two", ALL_PASS, 0))
        self.assertEqual((status, last), (0, "4 passed, 0 failed"))

    def test_a_failed_test_counts_once(self):
        status, last, output = self.run_tests(self.program("one", ONE_OF_TWO_FAILS, 1), self.program("two", ALL_PASS, 0))
        self.assertEqual((status, last), (1, "3 passed, 1 failed"))
        self.assertIn("0x1 != 0x2", output)

    def test_a_failed_setup_counts_once(self):
        status, last, _ = self.run_tests(self.program("one", SETUP_FAILS, 1))
        self.assertEqual((status, last), (1, "0 passed, 1 failed"))

    def test_a_crash_counts_as_one_failure(self):
        status, last, _ = self.run_tests(self.program("one", ALL_PASS, 134))
        self.assertEqual((status, last), (1, "2 passed, 1 failed"))

    def test_failures_of_two_programs_add_up(self):
        status, last, _ = self.run_tests(self.program("one", ONE_OF_TWO_FAILS, 1), self.program("two", ALL_PASS, 9))
        self.assertEqual((status, last), (1, "3 passed, 2 failed"))

    def test_a_run_without_tests_fails(self):
        status, last, _ = self.run_tests(self.program("one", "", 0))
        self.assertEqual((status, last), (1, "no test ran"))


class RunModules(unittest.TestCase):
    def test_a_module_runs_for_each_suite_unless_any_runtime_will_do(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, line in ("test_each.py", ""), ("test_any.py", "ANY_RUNTIME = True"):
                with open(os.path.join(folder, name), "w", encoding="ascii") as module:
                    module.write(f"import unittest\n{line}\n\nclass One(unittest.TestCase):\n    def test(self):\n        pass\n")
            done = subprocess.run([os.path.join(ROOT, "scripts", "run-modules"), "--on", "old,new", folder],
                                  capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(sorted(line.split(": ok")[0].split()[1:] for line in done.stdout.splitlines()),
                         [["test_any.py", "on", "new"], ["test_each.py", "on", "new"], ["test_each.py", "on", "old"]])


if __name__ == "__main__":
    unittest.main()
