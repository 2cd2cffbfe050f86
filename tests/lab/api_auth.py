# SPDX-License-Identifier: Apache-2.0
"""Permissions at the double of the API server: the admin may do everything, others what RBAC files grant."""

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
        """The user of an Authorization header; None if the token is unknown."""
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
    The rights that ClusterRoles in YAML files grant to the service accounts of their bindings. Also refuses
    requests that RBAC allows but that would overload a cluster of 5,000 nodes.
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
            return not target.namespace and any(each.name == "spec.nodeName" and each.equal for each in selectors)
        # A watch of all events of a cluster, from every node, would overload the API server.
        return target.resource != "events" or bool(target.namespace)

    def may_get_kubelet_pods(self, user):
        """The kubelet checks nodes/pods first, then nodes/proxy as older kubelets do."""
        return any(self._granted(user, "get", resource) for resource in ("nodes/pods", "nodes/proxy"))


def forbidden_message(user, verb, target):
    """The text is that of the API server."""
    scope = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
    name = f' "{target.name}"' if target.name else ""
    return (f'{target.resource}{name} is forbidden: User "{user}" cannot {verb} resource "{target.resource}" '
            f'in API group "" {scope}')
