# SPDX-License-Identifier: Apache-2.0
"""
Registries that misbehave, one port each, and the lab's DNS, in one process.

    endpoints.py --pause FILE --address IP --cert FILE --key FILE --ready FILE

Writes {"name": {"host": "name.lab:port", "scheme": "http" or "https"}} to the ready file when all of them listen, and
runs until it is killed. The table BEHAVIOURS says what each one does.
"""

import argparse
import asyncio
import functools
import http.client
import json
import socket
import ssl

import dns
from images import MANIFEST_TYPE, Image, digest_of, marked_image, marked_layer
from pacing import Pace
from procs import write_ready_file

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
# The runtime writes a layer in pieces of 1 MiB, so these layers have several pieces.
STALLING_LAYER_BYTES, SLOW_LAYER_BYTES = 7 << 19, 24 << 20
# Of each. At the rate below it takes longer than a test watches it.
SIX_LAYERS_BYTES = 20 << 20
# (bytes of each paced layer that an endpoint sends at once, bytes a second after that)
PACES = {"stalls": (STALLING_LAYER_BYTES // 2, 0), "slow": (0, 2 << 20), "six-layers": (0, 512 << 10),
         "three-layers": (STALLING_LAYER_BYTES // 2, 0)}


def _error(code, message):
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


def refuse(status, code, message, headers=()):
    """Every request gets the same answer."""

    async def behave(endpoint, request, writer):
        await reply(writer, request, status, _error(code, message), [("Content-Type", "application/json"), *headers])

    return behave


async def never_answer(endpoint, request, writer):
    """The connection stays open, and nothing is sent."""
    await asyncio.Event().wait()


async def close_at_once(endpoint, request, writer):
    """Close the connection in place of a response."""


async def token_server_fails(endpoint, request, writer):
    if request.path.startswith("/token"):
        await reply(writer, request, 500, b"token service is down")
        return
    challenge = f'Bearer realm="http://{endpoint.host}/token",service="lab",scope="repository:team/app:pull"'
    await reply(writer, request, 401, _error("UNAUTHORIZED", "authentication required"),
                [("WWW-Authenticate", challenge)])


async def serve_image(endpoint, request, writer):
    """A read-only registry: every name is the one image of the endpoint."""
    kind, _, reference = request.path.rpartition("/")
    if kind.endswith("/manifests"):
        await reply_manifest(writer, request, endpoint.image.manifest, MANIFEST_TYPE)
    elif reference in endpoint.image.blobs:
        await reply(writer, request, 200, endpoint.image.blobs[reference])
    else:
        await reply(writer, request, 200, b"{}")


async def wrong_layer(endpoint, request, writer):
    """The layer has the right length but wrong bytes."""
    if request.path.endswith(endpoint.layer_digest):
        await reply(writer, request, 200, bytes(len(endpoint.image.layers[0])))
    else:
        await serve_image(endpoint, request, writer)


async def paced_layer(endpoint, request, writer):
    """Send each layer at the rate in PACES, until /lab/pace changes it (see pacing.py)."""
    layer = endpoint.image.layer_of(request.path.rpartition("/")[2])
    if request.path.startswith("/lab/pace"):
        endpoint.pace.change(request.path)
        await reply(writer, request, 200, b"{}")
    elif layer:
        writer.write(head(200, len(layer)))
        if request.method != "HEAD":
            await endpoint.pace.send(writer, layer)
    else:
        await serve_image(endpoint, request, writer)


async def other_platform_only(endpoint, request, writer):
    """An image index without this machine's platform."""
    manifest = endpoint.image.manifest
    if request.path.endswith(digest_of(manifest)):
        await reply_manifest(writer, request, manifest, MANIFEST_TYPE)
    elif "/manifests/" in request.path:
        entry = {"mediaType": MANIFEST_TYPE, "digest": digest_of(manifest), "size": len(manifest),
                 "platform": {"os": "linux", "architecture": "s390x"}}
        index = json.dumps({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [entry]}).encode()
        await reply_manifest(writer, request, index, INDEX_TYPE)
    else:
        await serve_image(endpoint, request, writer)


# name: (transport, behaviour). Transports: http; https with an untrusted certificate; "http-as-https" answers in HTTP
# to a TLS client; with the others no request is possible.
BEHAVIOURS = {
    "no-challenge": ("http", refuse(401, "UNAUTHORIZED", "authentication required")),
    "forbidden": ("http", refuse(403, "DENIED", "requested access to the resource is denied")),
    "no-such-tag": ("http", refuse(404, "MANIFEST_UNKNOWN", "manifest unknown")),
    "no-such-name": ("http", refuse(404, "NAME_UNKNOWN", "repository name not known to registry")),
    "busy": ("http", refuse(429, "TOOMANYREQUESTS", "you have reached your pull rate limit",
                            [("Retry-After", "60")])),
    "broken": ("http", refuse(500, "UNKNOWN", "internal error")),
    "bad-gateway": ("http", refuse(502, "UNKNOWN", "bad gateway")),
    "down": ("http", refuse(503, "UNAVAILABLE", "service unavailable")),
    "slow-gateway": ("http", refuse(504, "UNKNOWN", "gateway timeout")),
    "closes": ("http", close_at_once),
    "never-answers": ("http", never_answer),
    "token-broken": ("http", token_server_fails),
    "bad-digest": ("http", wrong_layer),
    "stalls": ("http", paced_layer),
    "slow": ("http", paced_layer),
    "six-layers": ("http", paced_layer),
    "three-layers": ("http", paced_layer),
    "shares-layer": ("http", serve_image),
    "other-platform": ("http", other_platform_only),
    "untrusted": ("https", serve_image),
    "speaks-http": ("http-as-https", None),
    "tls-hang": ("silent", None),
    "refused": ("refused", None),
    "unreachable": ("full", None),
}


class Request:
    def __init__(self, head_bytes):
        self.method, self.path, _ = head_bytes.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)


def head(status, length, headers=()):
    lines = [f"HTTP/1.1 {status} {http.client.responses[status]}", f"Content-Length: {length}", "Connection: close",
             "Docker-Distribution-Api-Version: registry/2.0", *(f"{k}: {v}" for k, v in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def reply(writer, request, status, body, headers=()):
    writer.write(head(status, len(body), headers))
    if request.method != "HEAD":
        writer.write(body)
    await writer.drain()


async def reply_manifest(writer, request, manifest, media_type):
    headers = [("Content-Type", media_type), ("Docker-Content-Digest", digest_of(manifest))]
    await reply(writer, request, 200, manifest, headers)


def image_of(name, pause_program):
    """The image of the endpoint. No two share a layer, except the one that stalls and "shares-layer"."""
    stalling = marked_layer(pause_program, "stalls", STALLING_LAYER_BYTES)
    if name == "stalls":
        return Image([stalling])
    if name == "shares-layer":
        return Image([stalling, marked_layer(pause_program, name)])
    if name == "three-layers":
        return Image([marked_layer(pause_program, f"{name}-{i}", STALLING_LAYER_BYTES) for i in range(3)])
    if name == "six-layers":
        return Image([marked_layer(pause_program, f"{name}-{i}", SIX_LAYERS_BYTES) for i in range(6)])
    return marked_image(pause_program, name, SLOW_LAYER_BYTES if name == "slow" else 0)


class Endpoint:
    """One port. It keeps all sockets, so that the ports stay in use."""

    def __init__(self, name, transport, behave, address, pause_program, tls):
        self.name, self.transport, self._behave, self._tls = name, transport, behave, tls
        self._pause_program = pause_program
        self.pace = Pace(*PACES.get(name, ()))
        self._socket = socket.socket()
        self._socket.bind((address, 0))
        self.host = f"{name}.lab:{self._socket.getsockname()[1]}"
        self._kept = []

    @functools.cached_property
    def image(self):
        """Made when it is needed, because some images are big."""
        return image_of(self.name, self._pause_program)

    @functools.cached_property
    def layer_digest(self):
        return digest_of(self.image.layers[0])

    @property
    def scheme(self):
        return "http" if self.transport == "http" else "https"

    async def start(self):
        if self.transport == "refused":
            return  # bound without listening: connections are refused, and no other program gets the port
        if self.transport == "full":
            self._fill_backlog()
            return
        await asyncio.start_server(self._serve, sock=self._socket,
                                   ssl=self._tls if self.transport == "https" else None)

    def _fill_backlog(self):
        """
        Fill the backlog of the socket, which nobody empties: the kernel drops every further SYN, like a firewall
        that drops packets.
        """
        self._socket.listen(0)
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(self._socket.getsockname())
            self._kept.append(client)

    async def _serve(self, reader, writer):
        try:
            if self.transport == "silent":
                await asyncio.Event().wait()
            elif self.transport == "http-as-https":
                await reader.read(1)  # the first byte of the TLS hello
                writer.write(head(400, 0))
            else:
                request = Request(await reader.readuntil(b"\r\n\r\n"))
                await self._behave(self, request, writer)
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            print(f"{self.name}: {error}")
        finally:
            writer.close()


async def main():
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    for flag in ("--pause", "--address", "--cert", "--key", "--ready"):
        parser.add_argument(flag, required=True)
    args = parser.parse_args()

    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(args.cert, args.key)
    with open(args.pause, "rb") as program:
        pause_program = program.read()

    endpoints = [Endpoint(name, *row, args.address, pause_program, tls) for name, row in BEHAVIOURS.items()]
    for endpoint in endpoints:
        await endpoint.start()
    await dns.serve(args.address)
    write_ready_file(args.ready, json.dumps({e.name: {"host": e.host, "scheme": e.scheme} for e in endpoints}))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
