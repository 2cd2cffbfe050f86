# SPDX-License-Identifier: Apache-2.0
"""The API-server double's clock, which can be wrong."""

import datetime


class Clock:
    """This machine's time plus `offset` seconds, as objects and HTTP headers have it."""

    def __init__(self):
        self.offset = 0

    def _now(self):
        return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.offset)

    def text(self):
        return self._now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def http_date(self):
        return self._now().strftime("%a, %d %b %Y %H:%M:%S GMT")


CLOCK = Clock()  # one process is one server
