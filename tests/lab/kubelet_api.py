# SPDX-License-Identifier: Apache-2.0
"""The HTTPS port of a kubelet with GET /pods, for agents that read the kubelet instead of the API server."""

import http.server
import json
import os
import secrets
import ssl
import threading

import certs

# The texts of pkg/kubelet/server/auth.go and server.go.
_UNAUTHORIZED = "Unauthorized"
_FORBIDDEN = "Forbidden (user=system:serviceaccount:imagepull-exporter:imagepull-exporter, verb=get, resource=nodes, " \
             "subresource(s)=[pods proxy])\n"


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # the client disconnected or trusts another CA: only its connection ends


class KubeletApi:
    """
    Listens at once on a free port of 127.0.0.1, in threads of this process. It answers with `pods`, or with the
    HTTP status `refusal` (401, 403, 404, 503). Both may be changed at any time. Its certificate is from a CA of its
    own, as with many kubelets.
    """

    def __init__(self, folder, pods=()):
        os.makedirs(folder)
        ca = certs.make_ca(folder, "kubelet-ca")
        cert, key = certs.make_server_certificate(folder, "kubelet", ca, ["IP:127.0.0.1"])
        self.ca_file, self.token_file = ca[0], os.path.join(folder, "kubelet-token")
        self.pods, self.refusal, self.requests = list(pods), None, []
        self.rotate_token()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(cert, key)
        # The first read does the handshake, in the thread of the connection.
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def rotate_token(self):
        """Write a new token to the file and refuse the old one."""
        self._token = secrets.token_hex(16)
        with open(self.token_file + ".part", "w") as part:
            part.write(self._token)
        os.rename(self.token_file + ".part", self.token_file)

    def agent_flags(self):
        return ["--kube.source=kubelet", f"--kube.kubelet-url={self.url}", f"--kube.ca-file={self.ca_file}",
                f"--kube.token-file={self.token_file}"]

    def stop(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, path, authorization):
        """(status, content type, body)"""
        if authorization != f"Bearer {self._token}" or self.refusal == 401:
            return 401, "text/plain; charset=utf-8", _UNAUTHORIZED
        if self.refusal == 403:
            return 403, "text/plain; charset=utf-8", _FORBIDDEN
        if self.refusal or path != "/pods":
            return self.refusal or 404, "text/plain; charset=utf-8", "404 page not found\n"
        return 200, "application/json", json.dumps(
            {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": self.pods}, separators=(",", ":"))

    def _handler(self):
        kubelet = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                status, content_type, body = kubelet.answer(self.path, self.headers.get("Authorization"))
                kubelet.requests.append((self.path, self.headers.get("Accept"), status))
                data = body.encode()
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *arguments):
                pass  # `requests` keeps them

        return Handler
