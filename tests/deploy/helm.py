# SPDX-License-Identifier: Apache-2.0
"""The Helm chart, rendered. helm and kubeconform are those of tests/cluster/tools.py, which builds them with Go."""

import glob
import json
import os
import subprocess
import sys
import tempfile

import yaml

from kubectl import ROOT

sys.path.insert(0, os.path.join(ROOT, "tests", "cluster"))

import openapi  # noqa: E402
import tools  # noqa: E402

CHART = os.path.join(ROOT, "deploy", "charts", "imagepull-exporter")
OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
OPERATOR_SUM = "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s="
NAME = "imagepull-exporter"  # of the release and its namespace


def examples():
    """{name: path} of the example values."""
    return {os.path.basename(path).removesuffix("-values.yaml"): path
            for path in sorted(glob.glob(os.path.join(CHART, "ci", "*-values.yaml")))}


def helm(*arguments, stdin=None):
    """Returns (exit status, standard output, standard error)."""
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run([tools.path("helm"), *arguments], input=stdin, capture_output=True, text=True,
                              env={**os.environ, "HELM_CACHE_HOME": home, "HELM_CONFIG_HOME": home,
                                   "HELM_DATA_HOME": home, "KUBECONFIG": os.devnull})
    return done.returncode, done.stdout, done.stderr


def render(*options, values=None, release=NAME, namespace=NAME):
    """The objects that the chart makes. `values` are more values, as a dict."""
    arguments = ["-f", "-"] if values is not None else []
    status, output, errors = helm("template", release, CHART, "--namespace", namespace, *options, *arguments,
                                  stdin=json.dumps(values or {}))
    if status != 0:
        raise AssertionError(f"helm template: {errors}")
    return [each for each in yaml.safe_load_all(output) if each]


def refusal(values):
    """What helm says about values that the chart does not take."""
    status, _, errors = helm("template", NAME, CHART, "-f", "-", stdin=json.dumps(values))
    if status == 0:
        raise AssertionError(f"the chart takes {values}")
    return errors


def schemas(folder):
    """
    The value of kubeconform's -schema-location: the schemas of the Kubernetes version that tools/go.mod names, and those of
    the Prometheus operator.
    """
    source = subprocess.run(["go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes"], cwd=tools.MODULE, text=True,
                            capture_output=True, check=True).stdout.strip()
    with open(os.path.join(source, "api", "openapi-spec", "swagger.json")) as swagger:
        location = openapi.write_schemas(json.load(swagger), folder)
    for kind in ("podmonitors", "servicemonitors", "prometheusrules"):
        with open(os.path.join(_operator(), "example", "prometheus-operator-crd",
                               f"monitoring.coreos.com_{kind}.yaml")) as source:
            openapi.write_schema_of_definition(yaml.safe_load(source), folder)
    return location


def _operator():
    """The folder of the Prometheus operator's Go module. It is downloaded once."""
    done = subprocess.run(["go", "mod", "download", "-json", OPERATOR], text=True, capture_output=True)
    answer = json.loads(done.stdout or "{}")
    if answer.get("Sum") != OPERATOR_SUM:
        raise AssertionError(f"{OPERATOR} cannot be downloaded, or is another one: {answer.get('Error', done.stderr)}")
    return answer["Dir"]
