# SPDX-License-Identifier: Apache-2.0
"""deploy/README.md: its links, and its commands that need no cluster; they run in a copy of deploy/."""

import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import yaml

import helm
import kubectl
import schema

README = os.path.join(kubectl.ROOT, "deploy", "README.md")


class Readme(unittest.TestCase):
    def setUp(self):
        with open(README) as source:
            self.text = source.read()

    def block(self, words):
        found = [block for block in re.findall(r"^```sh\n(.*?)^```", self.text, re.M | re.S) if words in block]
        self.assertEqual(len(found), 1, words)
        return found[0]

    def test_links_lead_to_existing_files(self):
        for target in re.findall(r"\]\(([^)#]+)\)", self.text):
            self.assertTrue(os.path.exists(os.path.join(os.path.dirname(README), target)), target)

    def test_the_overlay_example_works(self):
        with tempfile.TemporaryDirectory() as checkout:
            shutil.copytree(os.path.dirname(README), os.path.join(checkout, "deploy"))
            path = os.path.dirname(kubectl.path()) + os.pathsep + os.environ["PATH"]
            done = subprocess.run(["sh", "-eu"], input=self.block("mkdir -p my-cluster"), cwd=checkout, text=True,
                                  capture_output=True, env={**os.environ, "PATH": path})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        objects = list(yaml.safe_load_all(done.stdout))
        for each in objects:
            schema.check(each)
        image, = (each["spec"]["template"]["spec"]["containers"][0]["image"] for each in objects
                  if each["kind"] == "DaemonSet")
        self.assertEqual(image, "registry.example.com/platform/imagepull-exporter:0.1.0")
        # In a cluster without the Prometheus operator, its kinds would stop the apply.
        self.assertEqual([each["kind"] for each in objects if each["apiVersion"].startswith("monitoring.coreos.com")], [])

    def test_the_values_of_the_helm_example_are_accepted(self):
        values, = (yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", self.text, re.M | re.S)
                   if "podMonitor:" in block)
        kinds = [each["kind"] for each in helm.render(values=values)]
        self.assertEqual((kinds.count("PodMonitor"), kinds.count("PrometheusRule")), (1, 3))

    def test_the_values_of_the_platforms_are_accepted(self):
        seen = 0
        for row in re.findall(r"^\| [^|]+ \| [^|]* \| ([^|]*`[a-zA-Z.]+=[^|]*) \|", self.text, re.M):
            for words in row.split(";"):
                settings = re.findall(r"`([a-zA-Z.]+=[^`]+)`", words)
                if settings:
                    seen += 1
                    helm.render(*[word for setting in settings for word in ("--set", setting)])
        self.assertGreater(seen, 8)

    def test_the_table_of_components_is_complete(self):
        named = re.findall(r"^\| `([a-z0-9-]+)` \| (?:`|\|)", self.text, re.M)
        self.assertEqual(sorted(named), sorted(os.listdir(os.path.join(os.path.dirname(README), "kustomize", "components"))))

    def test_the_promtool_command_accepts_the_rules(self):
        done = subprocess.run(["sh", "-eu"], input=self.block("promtool check rules"), cwd=kubectl.ROOT, text=True,
                              capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_example_of_the_mixin_makes_rules(self):
        with tempfile.TemporaryDirectory() as checkout:
            shutil.copytree(os.path.dirname(README), os.path.join(checkout, "deploy"))
            subprocess.run(["sh", "-eu"], input=self.block("my-rules.jsonnet"), cwd=checkout, text=True, check=True)
            with open(os.path.join(checkout, "imagepull.rules.yaml")) as made:
                text = made.read()
            done = subprocess.run(["promtool", "check", "rules", os.path.join(checkout, "imagepull.rules.yaml")],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("sandbox-", text)
        self.assertNotIn("ImagePullUnclassifiedShare", text)

    def test_the_collector_scrapes_as_prometheus_does(self):
        snippet, = (yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", self.text, re.M | re.S)
                    if "receivers" in block)
        with open(os.path.join(os.path.dirname(README), "prometheus", "scrape.yaml")) as source:
            job, = yaml.safe_load(source)["scrape_configs"]
        self.assertEqual(snippet["receivers"]["prometheus"]["config"]["scrape_configs"], [job])
        self.assertNotIn("$", str(snippet))

    def test_one_command_sets_the_base_address_of_the_runbooks(self):
        with tempfile.TemporaryDirectory() as checkout:
            shutil.copytree(os.path.dirname(README), os.path.join(checkout, "deploy"))
            subprocess.run(["sh", "-eu"], input=self.block("runbook-base-url"), cwd=checkout, text=True, check=True,
                           stdout=subprocess.DEVNULL)
            written = []
            for folder in ("alerts", "kustomize/components/prometheus-operator"):
                for path in glob.glob(os.path.join(checkout, "deploy", folder, "*rule*.yaml")):
                    with open(path) as source:
                        written += re.findall(r"runbook_url: (\S+)", source.read())
            for path in glob.glob(os.path.join(checkout, "deploy", "alerts", "*.test.yaml")):
                subprocess.run(["promtool", "test", "rules", path], check=True, stdout=subprocess.DEVNULL)
        self.assertGreater(len(written), 30)
        self.assertEqual({url.rpartition("/")[0] for url in written}, {"https://wiki.example.com/imagepull"})

    def test_make_image_passes_the_build_time_to_each_tool(self):
        for tool, expected in (("buildah", True), ("podman", True), ("docker", False)):
            output = subprocess.run(["make", "-n", "image", "TOOL=" + tool, "BASE=debian@sha256:0"], cwd=kubectl.ROOT,
                                  text=True, capture_output=True, check=True).stdout
            self.assertRegex(output, r"--build-arg SOURCE_DATE_EPOCH=\d+ ")
            self.assertIn("--build-arg BASE=debian@sha256:0 ", output)
            self.assertEqual(bool(re.search(r"--timestamp \d+ ", output)), expected, tool)

    def test_flags_of_kubectl_exist(self):
        """For every page: the help of kubectl names each flag of its commands."""
        def output_of(*command):
            return subprocess.run([kubectl.path(), *command], text=True, capture_output=True, check=True).stdout

        everywhere, seen = output_of("options"), 0
        for page in glob.glob(os.path.join(os.path.dirname(README), "**", "*.md"), recursive=True):
            with open(page) as source:
                text = source.read().replace("\\\n", " ")
            for words in re.findall(r"\bkubectl ([^\n|&;)`<>]*)", text):
                words = re.sub(r"'[^']*'|\"[^\"]*\"", "X", words).partition(" -- ")[0].split()
                flags = {"--" + word[2:].partition("=")[0] if word.startswith("--") else word
                         for word in words if re.match(r"--?[a-zA-Z]", word)} - {"-it"}
                command = [word for word in words[2 if words[:1] == ["-n"] else 0:] if re.fullmatch(r"[a-z-]+", word)
                           and not word.startswith("-")][:3]
                if not flags or not command:
                    continue
                known = everywhere + output_of(*command, "--help")
                for flag in flags:
                    seen += 1
                    self.assertRegex(known, rf"(?m)^\s+(-\w, )?{flag}[=,]", f"{os.path.basename(page)}: {words}")
        self.assertGreater(seen, 40)

    def test_flags_of_the_agent_exist(self):
        """Compares with README.md; make check-docs compares README.md with the program."""
        with open(os.path.join(kubectl.ROOT, "README.md")) as source:
            there = set(re.findall(r"--[a-z][a-z.-]+", source.read()))
        for folder, _, files in os.walk(os.path.dirname(README)):
            for file in files:
                with open(os.path.join(folder, file)) as source:
                    text = source.read()
                for flag in re.findall(r"--[a-z]+\.[a-z.-]+[a-z]|--stall-[a-z]+|(?<=status )--[a-z]+|(?<=classify )--[a-z]+",
                                       text):
                    self.assertIn(flag, there, file)

    def test_make_commands_name_targets(self):
        with open(os.path.join(kubectl.ROOT, "Makefile")) as source:
            targets = set(re.findall(r"^([a-z][a-z0-9-]*):", source.read(), re.M))
        named = set(re.findall(r"(?:^|`)make ([a-z0-9-]+)", self.text, re.M))
        self.assertGreaterEqual(named, {"image", "check-e2e"})
        self.assertLessEqual(named, targets)


if __name__ == "__main__":
    unittest.main()
