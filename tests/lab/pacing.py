# SPDX-License-Identifier: Apache-2.0
"""How fast a registry of the lab sends its layer, which can be told anew while it sends."""

import asyncio
import urllib.parse

_PIECES_A_SECOND = 10


class Pace:
    """`at_once` bytes without delay, then `rate` bytes a second: 0 for silence, None for no limit."""

    def __init__(self, at_once=0, rate=None):
        self._at_once, self._rate = at_once, rate
        self._changed = asyncio.Event()

    def change(self, path):
        """What GET /lab/pace?rate=N asks for; without a rate there is no limit any more."""
        rate = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query).get("rate")
        self._rate = int(rate[0]) if rate else None
        self._changed.set()
        self._changed = asyncio.Event()

    async def send(self, writer, data):
        sent = self._at_once
        writer.write(data[:sent])
        while sent < len(data):
            await writer.drain()
            changed = self._changed
            piece = len(data) - sent if self._rate is None else self._rate // _PIECES_A_SECOND
            writer.write(data[sent:sent + piece])
            sent += piece
            try:
                await asyncio.wait_for(changed.wait(), None if self._rate == 0 else 1 / _PIECES_A_SECOND)
            except asyncio.TimeoutError:
                pass  # time for the next piece
        await writer.drain()
