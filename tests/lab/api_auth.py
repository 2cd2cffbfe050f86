# SPDX-License-Identifier: Apache-2.0
"""Who may do what at the API-server double: the admin everything, others what RBAC files grant."""

import json
import os

import yaml

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


class Rights:
    """
    What the ClusterRoles in some YAML files grant to the service accounts they are bound to there,
    and less: what no RBAC rule can say, but a cluster of 5,000 nodes cannot bear.
    """

    def __init__(self, paths):
        self._rules = {}  # user: [rule]
        self.load(paths)

    def load(self, paths):
        objects = [each for path in paths for each in self._read(path)]
        roles = {o["metadata"]["name"]: o.get("rules") or [] for o in objects if o["kind"] == "ClusterRole"}
        self._rules = {}
        for binding in (o for o in objects if o["kind"] == "ClusterRoleBinding"):
            for subject in binding["subjects"]:
                user = f"system:serviceaccount:{subject['namespace']}:{subject['name']}"
                self._rules.setdefault(user, []).extend(roles[binding["roleRef"]["name"]])

    @staticmethod
    def _read(path):
        with open(path) as source:
            return [each for each in yaml.safe_load_all(source) if each]

    def _granted(self, user, verb, resource):
        return any("" in rule["apiGroups"] and resource in rule["resources"] and verb in rule["verbs"]
                   for rule in self._rules.get(user, []))

    def may(self, user, verb, target, selectors):
        """`target` is an api_routes.Target, `selectors` its field selectors."""
        if user == ADMIN_USER:
            return True
        resource = "/".join(filter(None, (target.resource, target.subresource)))
        if not self._granted(user, verb, resource):
            return False
        if target.resource == "pods":
            return "spec.nodeName" in selectors and not target.namespace
        # A watch of all events of a cluster: on every node one of etcd's.
        return target.resource != "events" or bool(target.namespace)

    def may_get_kubelet_pods(self, user):
        """The kubelet asks for nodes/pods first and then, as older ones do, for nodes/proxy."""
        return any(self._granted(user, "get", resource) for resource in ("nodes/pods", "nodes/proxy"))


def forbidden_message(user, verb, target):
    """In the words of the API server."""
    scope = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
    return (f'{target.resource} is forbidden: User "{user}" cannot {verb} resource "{target.resource}" '
            f'in API group "" {scope}')
