# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy on loopback. Its connections can die silently, as when a cable is unplugged."""

import ctypes
import fcntl
import socket
import struct
import termios
import threading
import urllib.parse

from procs import wait_for

SO_ATTACH_FILTER = 26  # asm-generic/socket.h
BPF_RET_K = 0x06


def drop_everything(sock):
    """
    Attach a socket filter that drops every packet: the kernel no longer answers on this connection, not
    even to a keepalive, and sends no FIN. It would still do so if the proxy only stopped reading.
    """
    program = ctypes.create_string_buffer(struct.pack("HBBI", BPF_RET_K, 0, 0, 0))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HxxxxxxP", 1, ctypes.addressof(program)))


def all_is_acknowledged(sock):
    """Whether the other side has acknowledged everything. The kernel would retransmit the rest."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0] == 0


class Proxy:
    """Sits between a client and the server at `url`, with a thread for each direction of a connection."""

    def __init__(self, url):
        self._target = urllib.parse.urlsplit(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._pairs, self._dead, self._deaf = [], [], False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._deaf:
                with self._lock:
                    self._dead.append(client)  # accepted; nothing is forwarded
                continue
            server = socket.create_connection((self._target.hostname, self._target.port))
            with self._lock:
                self._pairs.append((client, server))
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    @staticmethod
    def _forward(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def pull_the_cable(self):
        """Let the open connections die, which must be idle. New ones work."""
        with self._lock:
            for client, _ in self._pairs:
                wait_for(lambda: all_is_acknowledged(client), "an idle connection through the proxy")
                drop_everything(client)
            self._dead += [each for pair in self._pairs for each in pair]
            self._pairs = []

    def accept_and_be_silent(self, deaf):
        """Whether new connections are accepted and then get no byte."""
        self._deaf = deaf

    def stop(self):
        self._listener.close()
        with self._lock:
            for each in self._dead + [each for pair in self._pairs for each in pair]:
                each.close()
