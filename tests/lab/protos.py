# SPDX-License-Identifier: Apache-2.0
"""The lab's protobuf classes. protoc makes them at run time, outside of the source tree."""

import importlib
import os
import sys
import tempfile

from procs import HERE, require, run

GENERATED = "LAB_GENERATED"  # environment variable: the folder with the classes, set by the parent process
_SOURCES = ("lab_kube", "lab_cri")


def generate(folder):
    """Write the *_pb2.py files to `folder`, for processes that get it in LAB_GENERATED. Returns it."""
    os.makedirs(folder, exist_ok=True)
    protoc = require("protoc", "protobuf-compiler")
    run([protoc, f"-I{HERE}", f"--python_out={folder}", *(f"{name}.proto" for name in _SOURCES)],
        "making the protobuf classes", cwd=HERE)
    return folder


def _load_from(folder):
    sys.path.insert(0, folder)
    try:
        for name in _SOURCES:
            importlib.import_module(name + "_pb2")
    finally:
        sys.path.remove(folder)


def _module(name):
    if name not in sys.modules:
        if GENERATED in os.environ:
            _load_from(os.environ[GENERATED])
        else:
            with tempfile.TemporaryDirectory(prefix="imagepull-lab-") as folder:
                _load_from(generate(folder))
    return sys.modules[name]


def kube():
    return _module("lab_kube_pb2")


def cri():
    return _module("lab_cri_pb2")
