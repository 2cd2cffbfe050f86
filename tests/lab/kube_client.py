# SPDX-License-Identifier: Apache-2.0
"""A client of an API server, the double or a real one, in JSON over HTTP/1.1. For the lab, the cluster and the tests."""

import http.client
import json
import ssl
import threading
import urllib.parse


class ApiError(Exception):
    def __init__(self, method, path, status, text):
        super().__init__(f"{method} {path} answered {status}: {text[:300]}")
        self.status = status


class KubeClient:
    """Any number of threads may use it; each has its own connection."""

    def __init__(self, url, ca_file, token_file=None, certificate=None):
        """`certificate`: (certificate file, key file) of a client that has no token."""
        parts = urllib.parse.urlsplit(url)
        self._address = (parts.hostname, parts.port)
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._headers = {"User-Agent": "lab"}
        if certificate:
            self._tls.load_cert_chain(*certificate)
        if token_file:
            with open(token_file) as token:
                self._headers["Authorization"] = "Bearer " + token.read().strip()
        self._local = threading.local()
        self._open = []  # the connections of all threads

    def close(self):
        """Close the connections of all threads. The next call opens a new one."""
        while self._open:
            self._open.pop().close()

    def _connection(self, timeout):
        return http.client.HTTPSConnection(*self._address, context=self._tls, timeout=timeout)

    def _send(self, connection, method, path, body=None):
        data = json.dumps(body) if body is not None else None
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        connection.request(method, path, data, {**self._headers, "Content-Type": kind})
        response = connection.getresponse()
        if response.status >= 300:
            raise ApiError(method, path, response.status, response.read().decode(errors="replace"))
        return response

    def call(self, method, path, body=None):
        """One request; returns the parsed answer."""
        return json.loads(self.text(path, method, body))

    def text(self, path, method="GET", body=None):
        """One request; returns the text of the answer."""
        kept = getattr(self._local, "connection", None)
        if kept is not None:
            try:
                return self._read(kept, method, path, body)
            except (http.client.RemoteDisconnected, ssl.SSLEOFError, BrokenPipeError):
                # The server closes what is idle for minutes: it has not seen the request.
                pass
        connection = self._local.connection = self._connection(120)
        self._open.append(connection)
        return self._read(connection, method, path, body)

    def _read(self, connection, method, path, body):
        """The text of the answer. A connection that fails is not used again: it would refuse every later request."""
        try:
            return self._send(connection, method, path, body).read().decode()
        except (OSError, http.client.HTTPException):
            connection.close()
            self._local.connection = None
            raise

    def watch(self, path):
        """Every {"type": ..., "object": ...} of a watch, until the server ends it."""
        connection = self._connection(None)
        try:
            for line in self._send(connection, "GET", path):
                yield json.loads(line)
        finally:
            connection.close()

    # --- objects ---

    @staticmethod
    def path(resource, namespace, name="", subresource=""):
        """`resource` is "pods", or "apps/v1/deployments"; `namespace` is None for objects that have none."""
        group, _, plural = resource.rpartition("/")
        place = f"namespaces/{namespace}" if namespace else None
        return "/".join(filter(None, (f"/apis/{group}" if group else "/api/v1", place, plural, name, subresource)))

    def create(self, resource, value, namespace="default"):
        return self.call("POST", self.path(resource, namespace), value)

    def get(self, resource, name, namespace="default"):
        """The object, or None if it does not exist."""
        try:
            return self.call("GET", self.path(resource, namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def update(self, resource, value, subresource=""):
        metadata = value["metadata"]
        namespace = metadata.get("namespace", "default")
        return self.call("PUT", self.path(resource, namespace, metadata["name"], subresource), value)

    def patch(self, resource, name, change, namespace="default", subresource=""):
        """`change` is a JSON merge patch."""
        return self.call("PATCH", self.path(resource, namespace, name, subresource), change)

    def delete(self, resource, name, namespace="default", grace=None):
        query = "" if grace is None else f"?gracePeriodSeconds={grace}"
        return self.call("DELETE", self.path(resource, namespace, name) + query)

    def list(self, resource, namespace=None):
        return self.call("GET", self.path(resource, namespace))["items"]

    # --- the lab's API ---

    def requests(self):
        """All requests so far, except those of the admin."""
        return self.call("GET", "/lab/requests")

    def forget_requests(self):
        self.call("DELETE", "/lab/requests")

    def compact(self):
        """Compact: a watch can only start at the newest resourceVersion."""
        self.call("POST", "/lab/compact")
