# SPDX-License-Identifier: Apache-2.0
"""The clock of the API server's double. It can be wrong."""

import datetime


class Clock:
    """This machine's time plus `offset` seconds, in the formats of objects and HTTP headers."""

    def __init__(self):
        self.offset = 0

    def _now(self):
        return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.offset)

    def text(self):
        return self._now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def http_date(self):
        return self._now().strftime("%a, %d %b %Y %H:%M:%S GMT")


CLOCK = Clock()  # each server is a process of its own
