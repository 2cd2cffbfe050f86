# SPDX-License-Identifier: Apache-2.0
"""A proxy in front of an API server, as some clusters have: it wants a client certificate and serves below a path."""

import asyncio
import ssl
import threading
import urllib.parse


class KubeFront:
    """
    Forwards GET requests for PREFIX/... to the server at `url` as /..., over HTTP/1.1. With `client_ca` the
    client must have a certificate of that CA; `clients` lists their names. Listens at once on a free port of
    127.0.0.1, in a thread of this process.
    """

    def __init__(self, url, ca_file, cert, key, prefix="", client_ca=None):
        self._target = urllib.parse.urlsplit(url)
        self._prefix = prefix.encode()
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client_ca)
        self._tls.load_cert_chain(cert, key)
        if client_ca:
            self._tls.verify_mode = ssl.CERT_REQUIRED
        self._outwards = ssl.create_default_context(cafile=ca_file)
        self.clients = []
        self._loop, self._up = asyncio.new_event_loop(), threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(prefix),), daemon=True)
        self._thread.start()
        self._up.wait()

    def stop(self):
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._loop.close()

    async def _run(self, prefix):
        self._stopping = asyncio.Event()
        # An error, such as a handshake without a certificate, only ends its connection.
        self._loop.set_exception_handler(lambda loop, context: None)
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}{prefix}"
        self._up.set()
        await self._stopping.wait()
        server.close()
        ours = asyncio.all_tasks() - {asyncio.current_task()}
        for task in ours:
            task.cancel()
        await asyncio.gather(*ours, return_exceptions=True)

    async def _serve(self, reader, writer):
        certificate = writer.get_extra_info("peercert") or {}
        self.clients += [value for rdn in certificate.get("subject", ()) for name, value in rdn if name == "commonName"]
        upstream_reader, upstream = await asyncio.open_connection(
            self._target.hostname, self._target.port, ssl=self._outwards)
        both = [asyncio.ensure_future(self._ask(reader, upstream)),
                asyncio.ensure_future(self._answer(upstream_reader, writer))]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            upstream.close()
            writer.close()

    async def _ask(self, reader, upstream):
        """Requests have no body, so the stream is one head after the other."""
        while True:
            method, target, rest = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)
            if not target.startswith(self._prefix + b"/"):
                return
            upstream.write(b" ".join((method, target[len(self._prefix):], rest)))
            await upstream.drain()

    @staticmethod
    async def _answer(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
