# SPDX-License-Identifier: Apache-2.0
"""Image names as the kubelet reads them: github.com/distribution/reference, ParseNormalizedNamed."""

import re

DEFAULT_DOMAIN = "docker.io"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}")


class InvalidName(ValueError):
    """The text is that of the library."""


def _split_domain(image):
    first, slash, rest = image.partition("/")
    if not slash or not (any(c in first for c in ".:") or first == "localhost" or first.lower() != first):
        return DEFAULT_DOMAIN, image
    return first, rest


def domain(image):
    """host[:port] of the registry of an image name. Raises InvalidName if the name is invalid."""
    host, rest = _split_domain(image)
    remote = rest.partition(":")[0]
    if remote.lower() != remote:
        raise InvalidName(f"invalid reference format: repository name ({remote}) must be lowercase")
    name, at, digest = rest.partition("@")
    path, colon, tag = name.partition(":")
    if (not _PATH.fullmatch(path) or (colon and not _TAG.fullmatch(tag)) or (at and not _DIGEST.fullmatch(digest))):
        raise InvalidName("invalid reference format")
    return host
