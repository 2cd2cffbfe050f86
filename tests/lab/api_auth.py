# SPDX-License-Identifier: Apache-2.0
"""Who may do what at the API-server double: the admin everything, the agent as little as its ClusterRole."""

import json
import os

AGENT_USER = "system:serviceaccount:imagepull-exporter:imagepull-exporter"
ADMIN_USER = "system:admin"
ANONYMOUS = "system:anonymous"


class Tokens:
    """A file {"token": "user"}, read again when it changes: tokens rotate."""

    def __init__(self, path):
        self._path, self._stamp, self._users = path, None, {}

    def user(self, authorization):
        """The user a request's Authorization header stands for, or None when the token is not known."""
        if not authorization:
            return ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        return self._load().get(token.strip()) if scheme.lower() == "bearer" else None

    def _load(self):
        stamp = os.stat(self._path).st_mtime_ns
        if stamp != self._stamp:
            with open(self._path) as tokens:
                self._users, self._stamp = json.load(tokens), stamp
        return self._users


def may(user, verb, target, selectors):
    """Whether the user may do it. `target` is an api_routes.Target, `selectors` its field selectors."""
    if user == ADMIN_USER:
        return True
    if user != AGENT_USER or verb not in ("list", "watch"):
        return False
    if target.resource == "pods":
        return "spec.nodeName" in selectors and not target.namespace
    return target.resource == "events" and bool(target.namespace)


def forbidden_message(user, verb, target):
    """In the words of the API server."""
    scope = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
    return (f'{target.resource} is forbidden: User "{user}" cannot {verb} resource "{target.resource}" '
            f'in API group "" {scope}')
