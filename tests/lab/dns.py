# SPDX-License-Identifier: Apache-2.0
"""
The lab's DNS server: names that end in ".lab" have the lab's loopback address, "servfail.invalid" fails, all other
names do not exist.

Implements what the resolvers of Go and glibc need of RFC 1035: one question, no compression.
"""

import asyncio
import socket
import struct

_NOERROR, _SERVFAIL, _NXDOMAIN = 0, 2, 3
_TYPE_A = 1
_POINTER_TO_QUESTION = 0xC00C


def _question(query):
    """(name, type, bytes of the question) of a query; None if it is invalid."""
    labels, at = [], 12
    while at < len(query) and query[at]:
        labels.append(query[at + 1:at + 1 + query[at]])
        at += 1 + query[at]
    end = at + 5
    if len(query) < end or not labels:
        return None
    (record_type,) = struct.unpack_from("!H", query, at + 1)
    return b".".join(labels).decode("ascii", "replace").lower(), record_type, query[12:end]


def answer(query, address):
    """The response to the bytes of a query; None if it is invalid."""
    parsed = _question(query)
    if parsed is None:
        return None
    name, record_type, question = parsed
    known = name.endswith(".lab")
    code = _NOERROR if known else _SERVFAIL if name == "servfail.invalid" else _NXDOMAIN
    record = b""
    if known and record_type == _TYPE_A:
        record = struct.pack("!HHHIH4s", _POINTER_TO_QUESTION, _TYPE_A, 1, 60, 4, socket.inet_aton(address))
    flags = 0x8180 | code  # a response, recursion desired and available
    return query[:2] + struct.pack("!HHHHH", flags, 1, bool(record), 0, 0) + question + record


class Responder(asyncio.DatagramProtocol):
    def __init__(self, address):
        self.address = address

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        response = answer(data, self.address)
        if response:
            self.transport.sendto(response, addr)


async def serve(address, port=53):
    """Answer queries at address:port until the loop ends. The lab's names get this address."""
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Responder(address), local_addr=(address, port))
