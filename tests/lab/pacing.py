# SPDX-License-Identifier: Apache-2.0
"""How fast a registry of the lab sends its layer. A test can change it while the layer is being sent."""

import asyncio
import time
import urllib.parse

_PIECES_A_SECOND = 10


class Pace:
    """
    `at_once` bytes without delay, then `rate` bytes a second: 0 for silence, None for no limit. On a busy machine a
    late piece is longer, so that the rate holds.
    """

    def __init__(self, at_once=0, rate=None):
        self._at_once, self._rate = at_once, rate
        self._changed = asyncio.Event()

    def change(self, path):
        """Handle GET /lab/pace?rate=N. Without a rate there is no limit."""
        rate = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query).get("rate")
        self._rate = int(rate[0]) if rate else None
        self._changed.set()
        self._changed = asyncio.Event()

    async def send(self, writer, data):
        sent = self._at_once
        writer.write(data[:sent])
        before = time.monotonic()
        while sent < len(data):
            await writer.drain()
            changed, now = self._changed, time.monotonic()
            piece = len(data) - sent if self._rate is None else int(self._rate * (now - before))
            writer.write(data[sent:sent + piece])
            sent, before = sent + piece, now
            try:
                await asyncio.wait_for(changed.wait(), None if self._rate == 0 else 1 / _PIECES_A_SECOND)
                before = time.monotonic()  # the new rate counts from now
            except asyncio.TimeoutError:
                pass  # time for the next piece
        await writer.drain()
