# SPDX-License-Identifier: Apache-2.0
"""Makes container images and pushes them over the HTTP API of a registry."""

import base64
import functools
import gzip
import hashlib
import http.client
import io
import json
import platform
import random
import tarfile

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _tar(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


class Image:
    """One image in memory. `layers`: for each layer a dict {file name: bytes}."""

    def __init__(self, layers, architecture=ARCHITECTURE):
        tars = [_tar(files) for files in layers]
        # Level 0, so that a layer has the size that was asked for.
        self.layers = [gzip.compress(tar, compresslevel=0, mtime=0) for tar in tars]
        self.config = json.dumps({
            "architecture": architecture,
            "os": "linux",
            "config": {"Entrypoint": ["/pause"]},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]},
        }).encode()
        self.manifest = json.dumps({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": self._descriptor(CONFIG_TYPE, self.config),
            "layers": [self._descriptor(LAYER_TYPE, layer) for layer in self.layers],
        }).encode()

    @staticmethod
    def _descriptor(media_type, data):
        return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}

    @functools.cached_property
    def blobs(self):
        """{digest: bytes} of the config and the layers."""
        return {digest_of(data): data for data in (self.config, *self.layers)}

    def layer_of(self, digest):
        """The layer with this digest, or None."""
        data = self.blobs.get(digest)
        return None if data is self.config else data

    def write_archive(self, path, name):
        """An OCI archive that `ctr images import` takes, with the image named `name`."""
        index = {"schemaVersion": 2, "manifests": [{
            **self._descriptor(MANIFEST_TYPE, self.manifest),
            "annotations": {"io.containerd.image.name": name},
        }]}
        files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode()}
        for data in (self.manifest, self.config, *self.layers):
            files["blobs/sha256/" + digest_of(data)[7:]] = data
        with open(path, "wb") as archive:
            archive.write(_tar(files))


def pause_image(pause_program, **kwargs):
    return Image([{"pause": pause_program}], **kwargs)


def marked_layer(pause_program, mark, ballast_bytes=0):
    """
    An image of the pause program whose layer depends on `mark`, because the runtime fetches each layer only
    once. The same mark and size always give the same bytes.
    """
    layer = {"pause": pause_program, "mark": mark.encode()}
    if ballast_bytes:
        layer["ballast"] = random.Random(mark).randbytes(ballast_bytes)
    return layer


def marked_image(pause_program, mark, ballast_bytes=0, **kwargs):
    return Image([marked_layer(pause_program, mark, ballast_bytes)], **kwargs)


class Pusher:
    """Pushes images to the registry at `address` (host:port, plain HTTP)."""

    def __init__(self, address, username=None, password=None):
        self.address = address
        self.headers = {}
        if username is not None:
            pair = base64.b64encode(f"{username}:{password}".encode()).decode()
            self.headers["Authorization"] = "Basic " + pair

    def push(self, image, repository, tag):
        for digest, data in image.blobs.items():
            status, headers = self._call("POST", f"/v2/{repository}/blobs/uploads/", expect=202)
            location = headers["Location"]
            location += ("&" if "?" in location else "?") + "digest=" + digest
            self._call("PUT", location, data, "application/octet-stream", expect=201)
        self._call("PUT", f"/v2/{repository}/manifests/{tag}", image.manifest, MANIFEST_TYPE, expect=201)

    def _call(self, method, target, body=b"", content_type=None, expect=None):
        connection = http.client.HTTPConnection(self.address, timeout=120)
        try:
            headers = dict(self.headers)
            if content_type:
                headers["Content-Type"] = content_type
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            text = response.read()
            if response.status != expect:
                raise RuntimeError(f"push to {self.address}: {method} {target} answered {response.status} "
                                   f"instead of {expect}: {text[:200]!r}")
            return response.status, response.headers
        finally:
            connection.close()
