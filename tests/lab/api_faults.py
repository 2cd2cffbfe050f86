# SPDX-License-Identifier: Apache-2.0
"""
Faults of the API server's double, on command.

A rule of POST /lab/faults applies to the next requests that match:

    {"fault": NAME, "resource": "pods", "verb": "watch", "times": 1, ...}

`resource` and `verb` (list or watch) may be left out; `times` 0 means until DELETE /lab/faults.

    status           answers with `code`, and with Retry-After if `retry_after` is given
    silent           never answers
    slow             answers in pieces of `size` bytes, one every `pause` seconds
    json             answers in JSON, whatever the client accepts
    no-streaming     refuses sendInitialEvents, like servers with streaming lists off
    old-server       ignores sendInitialEvents, like servers before streaming lists
    any stream fault answers 200, then does one of these:

POST /lab/streams applies to the open streams of `resource`:

    garbage          bytes that are not a frame; the stream stays open
    huge-frame       the head of a frame of `length` bytes (2 GB), and its first `sent` bytes
    half-frame       the first half of a frame, then the connection closes
    half-end         the first half of a frame, then the stream ends normally
    reset            HTTP/2 resets the stream
    end              the stream ends
    error-event      an ERROR event with `code` and, if given, `retry_after`; then the stream ends
    bookmarks        `count` bookmarks at once
    repeat           the last `count` changes again, newest first
"""

import asyncio
import inspect
import struct

import kube_codec as codec
from api_http import Cut, Reset
from api_routes import Refused, Response, reply_status
from api_watch import INJECTED
from api_store import Change

REASONS = {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 410: "Expired",
           429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout"}
PIECE = 65536


def status(code, retry_after=None):
    """A metav1.Status with this code and the text of the API server."""
    details = {"retryAfterSeconds": retry_after} if retry_after else {}
    return codec.status(code, REASONS.get(code, "Unknown"), f"the lab answers {code}", details)


# --- faults of a stream; `watch` is its api_watch.Watch ------------------------------------------------

async def garbage(watch):
    # A valid length of a frame, then bytes that are not protobuf.
    yield struct.pack("!I", 64) + b"\xff" * 64
    await asyncio.Event().wait()


async def huge_frame(watch, length=(1 << 31) - 1, sent=32 << 20):
    yield struct.pack("!I", length)
    for _ in range(0, sent, PIECE):
        yield bytes(PIECE)
    await asyncio.Event().wait()


async def half_frame(watch):
    data = watch.bookmark()
    yield data[:len(data) // 2]
    raise Cut


async def half_end(watch):
    data = watch.bookmark()
    yield data[:len(data) // 2]


async def reset(watch):
    raise Reset
    yield  # makes it a generator


async def end(watch):
    return
    yield  # likewise


async def error_event(watch, code, retry_after=None):
    yield watch.error(status(code, retry_after))


async def bookmarks(watch, count):
    data = watch.bookmark()
    at_once = max(1, PIECE // len(data))
    for sent in range(0, count, at_once):
        yield data * min(at_once, count - sent)


async def repeat(watch, count):
    for data in reversed(watch.recent(count)):
        yield data


STREAM_FAULTS = {
    "garbage": garbage, "huge-frame": huge_frame, "half-frame": half_frame, "half-end": half_end, "reset": reset,
    "end": end, "error-event": error_event, "bookmarks": bookmarks, "repeat": repeat,
}
GO_ON = {"bookmarks", "repeat"}  # the stream goes on after these


def bad_command(message):
    return Refused(400, "BadRequest", message, {})


def check_options(name, fault, known, options):
    """Whether these are valid arguments of `fault`, after its first `known` ones."""
    try:
        inspect.signature(fault).bind(*known, **options)
    except TypeError as error:
        raise bad_command(f"{name}: {error}") from error


class StreamFault:
    """A fault for the open watches of a resource, sent to them as an INJECTED change."""

    def __init__(self, name, resource, options):
        if name not in STREAM_FAULTS:
            raise bad_command(f"no fault of a stream is called {name!r}; there are {', '.join(STREAM_FAULTS)}")
        check_options(name, STREAM_FAULTS[name], ["watch"], options)
        self.resource, self.ends = resource, name not in GO_ON
        self._play, self._options = STREAM_FAULTS[name], options

    def play(self, watch):
        return self._play(watch, **self._options)


# --- faults of a request -------------------------------------------------------------------------------

async def slowly(body, size, pause):
    async def whole():
        yield body

    async for data in whole() if isinstance(body, bytes) else body:
        for at in range(0, len(data), size):
            yield data[at:at + size]
            await asyncio.sleep(pause)


class Rule:
    """Which requests get which fault, and how many are left."""

    def __init__(self, command):
        options = dict(command)
        self.name, self.times = options.pop("fault", None), options.pop("times", 1)
        self._resource, self._verb = options.pop("resource", None), options.pop("verb", None)
        self.options = options
        if self.name in STREAM_FAULTS:
            StreamFault(self.name, None, options)
        elif self.name in REQUEST_FAULTS:
            check_options(self.name, REQUEST_FAULTS[self.name], ["api", "request", "user"], options)
        else:
            raise bad_command(f"no fault is called {self.name!r}")

    def fits(self, request):
        resource = request.path.rpartition("/")[2]
        verb = "watch" if request.watches else "list"
        return self._resource in (None, resource) and self._verb in (None, verb)


class Faults:
    """Plugs into api_routes.Api: gets each request of the agent and may answer in place of the Api."""

    def __init__(self, api):
        self._api, self._rules = api, []

    def add(self, command):
        self._rules.append(Rule(command))

    def clear(self):
        self._rules = []

    def inject(self, command):
        """Send the fault to the streams that are open now."""
        options = dict(command)
        fault = StreamFault(options.pop("fault", None), options.pop("resource", "pods"), options)
        self._api.store.tell(Change(INJECTED, fault))

    def __call__(self, request, user):
        rule = next((rule for rule in self._rules if rule.fits(request)), None)
        if rule is None:
            return None
        if rule.times:
            rule.times -= 1
            if not rule.times:
                self._rules.remove(rule)
        request.fault = rule.name
        if rule.name in STREAM_FAULTS:
            return self._stream(request, user, rule)
        return REQUEST_FAULTS[rule.name](self._api, request, user, **rule.options)

    def _stream(self, request, user, rule):
        response = self._api.answer(request, user)
        if response.watch is None:
            raise bad_command(f"{rule.name} is for watches, not for {request.path}")
        fault = StreamFault(rule.name, None, rule.options)
        return Response(response.status, response.content_type, fault.play(response.watch))


def answer_status(api, request, user, code, retry_after=None):
    response = reply_status(request, status(code, retry_after))
    if retry_after is not None:
        response.headers.append(("retry-after", str(retry_after)))
    return response


def answer_silently(api, request, user):
    response = reply_status(request, status(500))
    response.held = True
    return response


def answer_slowly(api, request, user, size=1, pause=0.001):
    response = api.answer(request, user)
    return Response(response.status, response.content_type, slowly(response.body, size, pause))


def answer_in_json(api, request, user):
    request.headers["accept"] = codec.JSON
    return api.answer(request, user)


def answer_without_streaming(api, request, user):
    if "sendInitialEvents" in request.query:
        # The text of a server whose feature gate WatchList is off.
        raise Refused(422, "Invalid", 'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: '
                                      "sendInitialEvents is forbidden for watch unless the WatchList feature gate "
                                      "is enabled")
    return api.answer(request, user)


def answer_as_old_server(api, request, user):
    for unknown in ("sendInitialEvents", "resourceVersionMatch"):
        request.query.pop(unknown, None)
    return api.answer(request, user)


REQUEST_FAULTS = {
    "status": answer_status, "silent": answer_silently, "slow": answer_slowly, "json": answer_in_json,
    "no-streaming": answer_without_streaming, "old-server": answer_as_old_server,
}
