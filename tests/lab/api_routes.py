# SPDX-License-Identifier: Apache-2.0
"""The requests of the API server's double: parsing, permissions, reading. Writing is in api_write.py."""

import asyncio
import base64
import json
import re
import time
import urllib.parse
import uuid

import api_auth
import api_watch
import api_write
import kube_codec as codec
from api_clock import CLOCK
from api_store import KINDS, SELECTABLE, Expired, Selector

REQUESTS_KEPT = 10000


class Refused(Exception):
    """Ends a request with a metav1.Status."""

    def __init__(self, code, reason, message, details=None):
        super().__init__(message)
        self.status = codec.status(code, reason, message, details)


class Request:
    """One request over HTTP/1.1 or HTTP/2. Header names are lower case."""

    def __init__(self, method, target, headers, body, protocol):
        self.method, self.headers, self.body, self.protocol = method, headers, body, protocol
        self.fault = None  # the name of its fault
        self.path, _, query = target.partition("?")
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))

    @property
    def wants_protobuf(self):
        accept = self.headers.get("accept", "")
        return accept.split(",")[0].strip().startswith(codec.PROTOBUF)

    @property
    def watches(self):
        return self.query.get("watch", "") in ("1", "true")


class Response:
    """`body` is bytes, or for a stream an asynchronous iterator of bytes. `watch`: the Watch of the stream."""

    def __init__(self, status, content_type, body, watch=None):
        self.status, self.content_type, self.body, self.watch = status, content_type, body, watch
        self.held = False  # it is never sent
        self.headers = [("audit-id", str(uuid.uuid4())), ("cache-control", "no-cache, private"),
                        ("content-type", content_type), ("date", CLOCK.http_date())]
        if isinstance(body, bytes):
            self.headers.append(("content-length", str(len(body))))

    async def unheld(self):
        """Wait until it may be sent."""
        if self.held:
            await asyncio.Event().wait()


class Target:
    """A resource path: /api/v1[/namespaces/NS]/RESOURCE[/NAME[/status]]"""

    def __init__(self, path):
        parts = path.strip("/").split("/")
        if parts[:2] != ["api", "v1"]:
            raise not_found()
        rest, self.namespace = parts[2:], ""
        if len(rest) > 2 and rest[0] == "namespaces":
            self.namespace, rest = rest[1], rest[2:]
        self.resource, self.name, self.subresource = (rest + ["", "", ""])[:3]
        self.known = self.resource in KINDS and len(rest) <= 3 and self.subresource in ("", "status")

    @property
    def kind(self):
        return KINDS[self.resource]


def not_found():
    return Refused(404, "NotFound", "the server could not find the requested resource", {})


def reply_status(request, status):
    """A Status in the format that the client accepts."""
    response = _encode_status(request, status)
    if status["code"] == 403:
        response.headers.append(("x-content-type-options", "nosniff"))
    seconds = status.get("details", {}).get("retryAfterSeconds")
    if seconds:
        response.headers.append(("retry-after", str(seconds)))
    return response


def _encode_status(request, status):
    if request.wants_protobuf:
        body = codec.wrap("Status", codec.to_message("Status", status).SerializeToString())
        return Response(status["code"], codec.PROTOBUF, body)
    return Response(status["code"], codec.JSON, codec.encode_json(status) + b"\n")


def reply_json(value, status=200):
    return Response(status, codec.JSON, codec.encode_json(value))


def parse_selectors(resource, text):
    """Like fields.ParseSelector() of apimachinery: NAME=VALUE, NAME==VALUE or NAME!=VALUE, separated by commas."""
    selectors = []
    for term in filter(None, text.split(",")):
        name, operator, wanted = re.fullmatch(r"(.*?)(!=|==|=)(.*)", term).groups()
        if name not in SELECTABLE[resource]:
            raise Refused(400, "BadRequest", f"field label not supported: {name}")
        selectors.append(Selector(name, operator != "!=", wanted))
    return selectors


class Api:
    """
    The service behind HTTP. `faults` gets each request and its user, except the admin's; if it returns a
    response, that is sent. `control` gets the admin's requests for /lab/.
    """

    def __init__(self, store, tokens, rights, bookmark_seconds=60.0, on_watch=None):
        self.store, self.tokens, self.rights, self.bookmark_seconds = store, tokens, rights, bookmark_seconds
        self.on_watch = on_watch or (lambda resource: None)
        self.faults, self.control = (lambda request, user: None), None
        self.requests = []

    def handle(self, request):
        try:
            user = self.tokens.user(request.headers.get("authorization"))
            entry = self._log(request, user)
            spoiled = self.faults(request, user) if user != api_auth.ADMIN_USER else None
            response = spoiled or self.answer(request, user)
        except Refused as refused:
            response = reply_status(request, refused.status)
        except Expired as expired:
            response = reply_status(request, codec.status(410, "Expired", str(expired)))
        entry.update(status=response.status, fault=request.fault)
        return response

    def _log(self, request, user):
        entry = {"time": time.time(), "user": user, "method": request.method, "path": request.path,
                 "query": request.query, "user_agent": request.headers.get("user-agent", ""),
                 "accept": request.headers.get("accept", ""), "protocol": request.protocol}
        if user != api_auth.ADMIN_USER and len(self.requests) < REQUESTS_KEPT:
            self.requests.append(entry)
        return entry

    def answer(self, request, user):
        """The response without faults. Raises Refused or Expired."""
        if user is None:
            raise Refused(401, "Unauthorized", "Unauthorized")
        if request.path.startswith("/lab/") and user == api_auth.ADMIN_USER and self.control:
            return self.control(request)
        if request.path == "/pods":
            return self._kubelet_pods(user)
        target = Target(request.path)
        verb = self._verb(request, target)
        selectors = parse_selectors(target.resource, request.query.get("fieldSelector", "")) if target.known else []
        if not self.rights.may(user, verb, target, selectors):
            raise Refused(403, "Forbidden", api_auth.forbidden_message(user, verb, target),
                          {**({"name": target.name} if target.name else {}), "kind": target.resource})
        if not target.known:
            raise not_found()
        if verb == "list":
            return self._list(request, target, selectors)
        if verb == "watch":
            return self._watch(request, target, selectors)
        if verb == "get":
            return reply_json(self._existing(target).json())
        return reply_json(*api_write.write(self.store, verb, request, target))

    @staticmethod
    def _verb(request, target):
        if request.method == "GET":
            return "get" if target.name else "watch" if request.watches else "list"
        verb = {"POST": "create", "PUT": "update", "DELETE": "delete"}.get(request.method)
        if verb is None or bool(target.name) != (verb != "create"):
            raise Refused(405, "MethodNotAllowed", "the server does not allow this method on the requested resource",
                          {})
        return verb

    def _existing(self, target):
        return api_write.existing(self.store, target)

    # --- lists ---

    def _list(self, request, target, selectors):
        query = request.query
        self._check_version(query.get("resourceVersion", ""), target)
        if "continue" in query:
            version, last = self._decode_continue(query["continue"])
            items = [item for item in self.store.remembered(version) if item.key > last]
        else:
            items = self.store.list(target.resource, target.namespace, selectors)
            version = self.store.version
        # The watch cache (resourceVersion=0) returns the whole list and ignores the limit.
        limit = 0 if query.get("resourceVersion") == "0" else int(query.get("limit", 0))
        meta = {"resourceVersion": str(version)}
        if limit and len(items) > limit:
            if "continue" not in query:
                self.store.remember_page(items)
            meta["continue"] = self._encode_continue(version, items[limit - 1].key)
            if not selectors:  # with a selector, the real server does not know the number
                meta["remainingItemCount"] = len(items) - limit
            items = items[:limit]
        return self._reply_list(request, target.kind + "List", meta, items)

    @staticmethod
    def _reply_list(request, kind, meta, items):
        if request.wants_protobuf:
            return Response(200, codec.PROTOBUF, codec.encode_list(kind, meta, [item.raw for item in items]))
        return reply_json({"kind": kind, "apiVersion": "v1", "metadata": meta,
                           "items": [item.value for item in items]})

    def _check_version(self, text, target):
        if text and not text.isdigit():
            raise Refused(400, "BadRequest", f'invalid resource version: resourceVersion: Invalid value: "{text}": '
                                             f'strconv.ParseUint: parsing "{text}": invalid syntax')
        if text and int(text) > self.store.version:
            why = "Too large resource version"
            raise Refused(504, "Timeout", f"Timeout: {why}: {text}, current: {self.store.version}",
                          {"causes": [{"reason": "ResourceVersionTooLarge", "message": why}],
                           "retryAfterSeconds": 1})

    @staticmethod
    def _encode_continue(version, last):
        """`last` is the key of the last item that was sent; the next page starts after it."""
        token = {"v": "meta.k8s.io/v1", "rv": version, "start": "/" + "/".join(last) + "\0"}
        return base64.urlsafe_b64encode(codec.encode_json(token)).decode().rstrip("=")

    @staticmethod
    def _decode_continue(text):
        try:
            token = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            return token["rv"], tuple(token["start"].rstrip("\0").split("/")[1:])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Refused(400, "BadRequest", "invalid continue token: continue key is not valid: illegal base64 data "
                                             "at input byte 0") from error

    # --- watches ---

    def _watch(self, request, target, selectors):
        query = request.query
        if "sendInitialEvents" in query and query.get("resourceVersionMatch") != "NotOlderThan":
            why = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            raise Refused(422, "Invalid", f'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: {why}',
                          {"group": "meta.k8s.io", "kind": "ListOptions", "causes": [
                              {"reason": "FieldValueForbidden", "message": why, "field": "resourceVersionMatch"}]})
        self._check_version(query.get("resourceVersion", ""), target)
        watch = api_watch.Watch(self.store, target, selectors, query, request.wants_protobuf, self.bookmark_seconds)
        self.on_watch(target.resource)
        content_type = codec.PROTOBUF + ";stream=watch" if request.wants_protobuf else codec.JSON
        return Response(200, content_type, watch.stream(), watch)

    # --- the API of a kubelet, on the same port ---

    def _kubelet_pods(self, user):
        if not self.rights.may_get_kubelet_pods(user):
            # kubelet: pkg/kubelet/server/server.go, InstallAuthFilter
            text = f"Forbidden (user={user}, verb=get, resource=nodes, subresource(s)=[pods proxy])\n"
            return Response(403, "text/plain; charset=utf-8", text.encode())
        items = [item.value for item in self.store.list("pods")]
        return reply_json({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})
