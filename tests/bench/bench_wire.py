# SPDX-License-Identifier: Apache-2.0
"""A TCP connection through this process, on loopback, that counts its bytes both ways."""

import socket
import threading
import urllib.parse


class Wire:
    """Forwards between a client, which connects to `url`, and the server at the given URL."""

    def __init__(self, server_url):
        parts = urllib.parse.urlsplit(server_url)
        self._server = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock, self._bytes = threading.Lock(), [0, 0]
        threading.Thread(target=self._accept, daemon=True).start()

    def counted(self):
        """(bytes to the client, bytes from it) so far."""
        with self._lock:
            return tuple(self._bytes)

    def stop(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
            except OSError:
                return
            for source, sink, way in ((server, client, 0), (client, server, 1)):
                threading.Thread(target=self._forward, args=(source, sink, way), daemon=True).start()

    def _forward(self, source, sink, way):
        try:
            while data := source.recv(65536):
                with self._lock:
                    self._bytes[way] += len(data)
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the other direction was first
