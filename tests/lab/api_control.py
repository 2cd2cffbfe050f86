# SPDX-License-Identifier: Apache-2.0
"""
The control API of the API server's double, for the admin on the control port, which faults do not affect:

    GET, DELETE /lab/requests     all requests except the admin's; DELETE forgets them
    POST        /lab/compact      a watch can only start at the newest resourceVersion
    GET         /lab/state        the newest resourceVersion, and how many watches are open
    POST,DELETE /lab/faults       faults of the next requests: see api_faults.py
    POST        /lab/streams      faults of the open streams: see api_faults.py
    POST        /lab/connections  {"do": "go-away"} or {"do": "cut"}: all open connections
    POST        /lab/listener     {"up": false}: close all, refuse new ones; {"up": true}: serve again
    POST        /lab/certificate  read the server's certificate and key again
    POST        /lab/rights       {"files": [...]}: the rights of the agent from now on
    POST        /lab/pods         {"namespace": ..., "pods": [...]}: create many pods at once, with their statuses
    POST        /lab/clock        {"offset": seconds}: the error of the server's clock
"""

import json

from api_clock import CLOCK
from api_faults import bad_command
from api_routes import not_found, reply_json
from api_write import create_pods


class Control:
    def __init__(self, api, faults, listener):
        self._api, self._faults, self._listener = api, faults, listener
        self._commands = {
            "/lab/compact": lambda command: {"oldest": api.store.compact()},
            "/lab/faults": faults.add,
            "/lab/streams": faults.inject,
            "/lab/connections": self._connections,
            "/lab/listener": lambda command: listener.up() if command["up"] else listener.down(),
            "/lab/certificate": lambda command: listener.load_certificate(),
            "/lab/rights": lambda command: api.rights.load(command["files"]),
            "/lab/pods": lambda command: create_pods(api.store, command["namespace"], command["pods"]),
            "/lab/clock": self._clock,
        }

    def __call__(self, request):
        api = self._api
        if request.path == "/lab/requests":
            requests = api.requests
            if request.method == "DELETE":
                api.requests = []
            return reply_json(requests)
        if request.path == "/lab/state":
            return reply_json({"resourceVersion": api.store.version, "watches": api.store.watchers})
        if request.path == "/lab/faults" and request.method == "DELETE":
            self._faults.clear()
            return reply_json({})
        if request.path not in self._commands or request.method != "POST":
            raise not_found()
        command = self._parse(request)
        try:
            return reply_json(self._commands[request.path](command) or {})
        except KeyError as missing:
            raise bad_command(f"{request.path} needs {missing}") from missing

    @staticmethod
    def _parse(request):
        try:
            command = json.loads(request.body or b"{}")
        except ValueError as error:
            raise bad_command(f"the body is not JSON: {error}") from error
        if not isinstance(command, dict):
            raise bad_command("the body is not an object")
        return command

    def _connections(self, command):
        actions = {"go-away": self._listener.server.go_away, "cut": self._listener.server.cut_connections}
        if command.get("do") not in actions:
            raise bad_command(f"connections can {', '.join(actions)}")
        actions[command["do"]]()

    @staticmethod
    def _clock(command):
        CLOCK.offset = command["offset"]
