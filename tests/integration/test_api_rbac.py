# SPDX-License-Identifier: Apache-2.0
"""The roles of deploy/rbac: each is enough for its mode. If a verb is missing, one log line names it."""

import os
import unittest

import yaml

import side_by_side
import support
from api_double import RBAC
from fault_story import Watcher
from pods import Pods

load_tests = side_by_side.load_tests



class Role(unittest.TestCase):
    """A double that grants the rights of `file`, and a pod that cannot pull."""

    file, events = "api.yaml", False

    def setUp(self):
        folder = support.Folder()
        self.addCleanup(folder.remove)
        self.folder = folder.path
        self.double = support.start_api(self, folder.path)
        self.double.control("rights", files=[os.path.join(RBAC, self.file)])
        Pods(self.double.client()).create_failing("broken")

    def without(self, resource, verb):
        """The role without one verb."""
        with open(os.path.join(RBAC, self.file)) as source:
            objects = list(yaml.safe_load_all(source))
        role = next(each for each in objects if each["kind"] == "ClusterRole")
        rule = next(rule for rule in role["rules"] if resource in rule["resources"])
        rule["verbs"].remove(verb)
        changed = os.path.join(self.folder, "changed.yaml")
        with open(changed, "w") as out:
            yaml.safe_dump_all(objects, out)
        self.double.control("rights", files=[changed])

    def granted(self):
        with open(os.path.join(RBAC, self.file)) as source:
            roles = [each for each in yaml.safe_load_all(source) if each["kind"] == "ClusterRole"]
        return {(resource, verb) for role in roles for rule in role["rules"]
                for resource in rule["resources"] for verb in rule["verbs"]}

    def start(self):
        self.watcher = Watcher(self, self.flags(), self.events)
        self.agent = self.watcher.agent

    def flags(self):
        return self.double.agent_flags()

    def requests(self):
        return self.double.client().requests()

    def sees_the_failure(self):
        self.agent.wait_ready()
        self.assertEqual(self.agent.failures()[("broken", "app")]["cause"], "unauthorized")

    def sees_events(self):
        support.wait_for(lambda: any("/events" in r["path"] and "watch" in r["query"] for r in self.requests()),
                         "a watch of events")

    def assert_nothing_was_refused(self):
        self.assertEqual({r["status"] for r in self.requests()}, {200})

    def assert_says(self, *words, component="pods", refusals=2):
        """The log has one line with these words, however many requests were refused."""
        support.wait_for(lambda: [r["status"] for r in self.requests()].count(403) >= refusals,
                         f"{refusals} refusals")
        support.wait_for(lambda: self.watcher.up(component) == 0, f"{component} down")
        lines = self.watcher.log_lines("level=warn", component=component)
        self.assertEqual(len(lines), 1, self.agent.log())
        for word in words:
            self.assertIn(word, lines[0].replace('\\"', '"'))


class Api(Role):
    events = True

    def test_the_role_is_enough_and_all_of_it_is_used(self):
        self.assertEqual(self.granted(), {(r, v) for r in ("pods", "events") for v in ("list", "watch")})
        self.start()
        self.sees_the_failure()
        self.sees_events()
        self.assert_nothing_was_refused()
        for request in self.requests():
            if request["path"] == "/api/v1/pods":
                self.assertEqual(request["query"]["fieldSelector"], support.POD_SELECTOR.format("lab-node"))
            else:
                self.assertEqual(request["path"], "/api/v1/namespaces/default/events")
                self.assertEqual(request["query"]["fieldSelector"], "involvedObject.kind=Pod,source=kubelet")


class ApiWithoutListingEvents(Role):
    events = True

    def test_the_missing_right_is_logged(self):
        self.without("events", "list")
        self.start()
        self.sees_the_failure()
        self.assert_says('cannot list resource "events"', 'in the namespace "default"', component="events", refusals=1)
        self.assertEqual(self.watcher.up(), 1, "pods are another matter")


class ApiWithoutWatchingEvents(Role):
    events = True

    def test_the_missing_right_is_logged(self):
        self.without("events", "watch")
        self.start()
        self.sees_the_failure()
        self.assert_says('cannot watch resource "events"', 'in the namespace "default"', component="events")
        self.assertEqual(self.watcher.up(), 1, "pods are another matter")


class ApiWithoutEvents(Role):
    file = "api-no-events.yaml"

    def test_the_role_is_enough_and_all_of_it_is_used(self):
        self.assertEqual(self.granted(), {("pods", "list"), ("pods", "watch")})
        self.start()
        self.sees_the_failure()
        self.assert_nothing_was_refused()

    def test_the_role_is_enough_for_a_server_without_streaming_lists(self):
        self.double.fault("no-streaming", times=0)
        self.start()
        self.sees_the_failure()
        support.wait_for(lambda: self.watcher.source()["watches_open"] == 1, "the watch after the list")
        self.assertEqual([r["status"] for r in self.requests()], [422, 200, 200])

    def test_without_list_a_streaming_list_is_enough(self):
        self.without("pods", "list")
        self.start()
        self.sees_the_failure()
        self.assert_nothing_was_refused()

    def test_without_list_and_streaming_lists_the_missing_right_is_logged(self):
        self.double.fault("no-streaming", times=0)
        self.without("pods", "list")
        self.start()
        self.assert_says('cannot list resource "pods"', "at the cluster scope")
        self.assertFalse(self.agent.ready())

    def test_without_watch_the_missing_right_is_logged(self):
        self.without("pods", "watch")
        self.start()
        self.sees_the_failure()
        self.assert_says('cannot watch resource "pods"', "at the cluster scope", refusals=3)


class Kubelet(Role):
    file = "kubelet.yaml"

    def flags(self):
        return ["--kube.source=kubelet", f"--kube.kubelet-url={self.double.url}",
                f"--kube.ca-file={self.double.ca_file}", f"--kube.token-file={self.double.token_file}"]

    def test_the_role_is_enough_without_the_api_server(self):
        self.assertEqual(self.granted(), {("nodes/pods", "get")})
        self.start()
        self.sees_the_failure()
        self.assert_nothing_was_refused()
        self.assertEqual({r["path"] for r in self.requests()}, {"/pods"})

    def test_without_get_the_missing_right_is_logged(self):
        self.without("nodes/pods", "get")
        self.start()
        self.assert_says("403", "verb=get, resource=nodes", "nodes/pods")
        self.assertFalse(self.agent.ready())


class WhatRbacCannotSay(Role):
    """Requests that would be too expensive in a large cluster, although the role grants them."""

    def test_requests_that_are_too_expensive_are_refused(self):
        with open(self.double.token_file) as source:
            token = source.read()
        for path in ("/api/v1/events?watch=1", "/api/v1/events", "/api/v1/pods", "/api/v1/pods?watch=1",
                     "/api/v1/namespaces/default/pods?fieldSelector=spec.nodeName%3Dlab-node", "/pods",
                     "/api/v1/namespaces/default/secrets", "/api/v1/namespaces/default/pods/broken"):
            stream = support.Http2Stream(self.double.url + path, self.double.ca_file, token, "application/json")
            self.addCleanup(stream.close)
            stream.read()
            self.assertEqual(stream.status, 403, path)


if __name__ == "__main__":
    unittest.main()
