# SPDX-License-Identifier: Apache-2.0
"""A client of the API server's double, in JSON over HTTP/1.1, for the lab's kubelet, the demo and the tests."""

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

    def __init__(self, url, ca_file, token_file):
        parts = urllib.parse.urlsplit(url)
        self._address = (parts.hostname, parts.port)
        self._tls = ssl.create_default_context(cafile=ca_file)
        with open(token_file) as token:
            self._headers = {"Authorization": "Bearer " + token.read().strip(), "User-Agent": "lab"}
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
        connection.request(method, path, data, {**self._headers, "Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status >= 300:
            raise ApiError(method, path, response.status, response.read().decode(errors="replace"))
        return response

    def call(self, method, path, body=None):
        """One request; returns the parsed answer."""
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connection(30)
            self._open.append(connection)
        try:
            return json.loads(self._send(connection, method, path, body).read())
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
        return "/".join(filter(None, (f"/api/v1/namespaces/{namespace}/{resource}", name, subresource)))

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

    def delete(self, resource, name, namespace="default", grace=None):
        query = "" if grace is None else f"?gracePeriodSeconds={grace}"
        return self.call("DELETE", self.path(resource, namespace, name) + query)

    def list(self, resource, namespace=None):
        path = f"/api/v1/{resource}" if namespace is None else self.path(resource, namespace)
        return self.call("GET", path)["items"]

    # --- the lab's API ---

    def requests(self):
        """All requests so far, except those of the admin."""
        return self.call("GET", "/lab/requests")

    def forget_requests(self):
        self.call("DELETE", "/lab/requests")

    def compact(self):
        """Compact: a watch can only start at the newest resourceVersion."""
        self.call("POST", "/lab/compact")
