#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
The programs of a real Kubernetes cluster, in the versions that tools/go.mod names.

    tools.py            build or download what is missing, and print where it is

Go programs are built once, into build/tools (or $CLUSTER_TOOLS_CACHE); a change of tools/go.sum builds them again.
kubectl and etcd are Debian packages of the suite sid, which are only unpacked. CLUSTER_TOOLS=DIR uses the programs of
DIR instead.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
MODULE = os.path.join(HERE, "tools")
CACHE = os.environ.get("CLUSTER_TOOLS_CACHE") or os.path.join(ROOT, "build", "tools")
sys.path.insert(0, os.path.join(ROOT, "tests", "lab"))

import suites  # noqa: E402
from procs import LabError, clean_environment  # noqa: E402

KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
PACKAGES = {**{name: f"k8s.io/kubernetes/cmd/{name}" for name in KUBERNETES},
            "helm": "helm.sh/helm/v4/cmd/helm",
            "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform",
            "prometheus": "github.com/prometheus/prometheus/cmd/prometheus"}
# program: (package of Debian sid, arguments of a first run)
DEBIAN = {"kubectl": ("kubectl", ["version", "--client"]), "etcd": ("etcd-server", ["--version"])}

PACKAGES_A_LINE = 200  # of the progress


def path(name):
    """The path of a program. Builds or downloads it if it is missing."""
    given = os.environ.get("CLUSTER_TOOLS")
    if given:
        program = os.path.join(os.path.abspath(given), name)
        if not os.access(program, os.X_OK):
            raise LabError(f"CLUSTER_TOOLS is '{given}', and there is no program '{name}' in it")
        return program
    if name in DEBIAN:
        package, first_run = DEBIAN[name]
        return os.path.join(suites.programs(package, "sid", CACHE, [name, *first_run]), name)
    return _built(name)


def _built(name):
    """Build `name` unless build/tools has it. One process builds, the others wait."""
    os.makedirs(CACHE, exist_ok=True)
    program = os.path.join(CACHE, name)
    with open(os.path.join(CACHE, "go.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _read(program + ".stamp") != _stamp():
            _build(name, program)
    return program


def _build(name, program):
    began = time.monotonic()
    version = _go("list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes").strip()
    stamps = " ".join(f"-X {package}.gitVersion={version}"
                      for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"))
    print(f"  GO    {name}", file=sys.stderr, flush=True)
    _go("build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", f"-s -w {stamps}", "-o", program, PACKAGES[name])
    with open(program + ".stamp", "w") as stamp:
        stamp.write(_stamp())
    print(f"        {name} is built after {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def _go(*arguments):
    """Run go in the module. Returns its standard output. Shows how many packages it has compiled."""
    go = shutil.which("go")
    if go is None:
        raise LabError("the programs of the cluster are built with Go, and there is no command 'go'. Install the version "
                       "that tests/cluster/tools/go.mod names, or set CLUSTER_TOOLS to a folder with "
                       + ", ".join((*PACKAGES, *DEBIAN)))
    child = subprocess.Popen([go, *arguments], cwd=MODULE, env={**os.environ, "CGO_ENABLED": "0"}, text=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    lines = []
    for line in child.stderr:
        lines.append(line)
        if len(lines) % PACKAGES_A_LINE == 0:
            print(f"        {len(lines)} packages", file=sys.stderr, flush=True)
    output = child.stdout.read()
    if child.wait() != 0:
        raise LabError(f"'go {arguments[0]}' of {arguments[-1]} in {MODULE} ended with status {child.returncode}:\n"
                       + "".join(lines[-15:]).strip())
    return output


def _stamp():
    """It changes with the versions of all modules."""
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        with open(os.path.join(MODULE, name), "rb") as source:
            digest.update(source.read())
    return digest.hexdigest()


def _read(name):
    try:
        with open(name) as source:
            return source.read()
    except OSError:
        return None


def kubectl_command(kubeconfig, *arguments):
    """(arguments, environment) of a kubectl that keeps what it learns of the cluster beside `kubeconfig`."""
    return [path("kubectl"), "--kubeconfig", kubeconfig, *arguments], clean_environment(
        KUBECACHEDIR=os.path.join(os.path.dirname(kubeconfig), "kubectl-cache"))


def kubectl(kubeconfig, *arguments, stdin=None):
    """Run kubectl. Returns its output."""
    command, environment = kubectl_command(kubeconfig, *arguments)
    done = subprocess.run(command, input=stdin or "", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=environment)
    if done.returncode != 0:
        raise LabError(f"'kubectl {' '.join(arguments)}' ended with status {done.returncode}:\n{done.stdout.strip()}")
    return done.stdout


def main():
    failed = 0
    for name in (*PACKAGES, *DEBIAN):
        try:
            print(f"{name}: {path(name)}", flush=True)
        except (LabError, OSError, subprocess.SubprocessError) as error:
            print(f"tools: {error}", file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
