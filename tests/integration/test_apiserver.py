# SPDX-License-Identifier: Apache-2.0
"""The double of the API server over HTTP: answers, permissions, lists, watches, replay of recordings."""

import base64
import itertools
import json
import os
import re
import ssl
import unittest
import urllib.error
import urllib.request

import support
import kube_codec as codec
import recorded_answers
from kube_client import ApiError
from kubelet_api import KubeletApi
from recorded_answers import EVENTS, NODE, PODS

WATCH_LIST = PODS + "&watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"


def pod(name, image="registry.example.com/team/app:v1"):
    containers = [{"name": "app", "image": image}]
    return {"metadata": {"name": name}, "spec": {"nodeName": "lab-node", "containers": containers}}


class Double(unittest.TestCase):
    """A running API-server double for each class."""

    arguments = ()

    @classmethod
    def setUpClass(cls):
        cls.double = support.start_api(cls, arguments=cls.arguments)
        cls.admin = cls.double.client()

    def agent_token(self):
        with open(self.double.token_file) as token:
            return token.read()

    def get(self, path, token=None, accept="application/json", method="GET"):
        """(status, headers, body) of one request over HTTP/1.1, by default with the agent's token."""
        context = ssl.create_default_context(cafile=self.double.ca_file)
        request = urllib.request.Request(self.double.url + path, method=method, headers={"Accept": accept})
        token = self.agent_token() if token is None else token
        if token:
            request.add_header("Authorization", "Bearer " + token)
        try:
            with urllib.request.urlopen(request, context=context, timeout=120) as response:
                return response.status, response.headers, response.read()
        except urllib.error.HTTPError as response:
            return response.code, response.headers, response.read()

    def open_watch(self, path):
        """A watch over HTTP/2 in protobuf."""
        stream = support.Http2Stream(self.double.url + path, self.double.ca_file, self.agent_token(),
                                     codec.PROTOBUF + ";stream=watch")
        self.addCleanup(stream.close)
        return stream

    def watch(self, path):
        """The frames of a watch that the server ends."""
        stream = self.open_watch(path)
        frames = list(codec.frames(stream.read()))
        self.assertEqual(stream.status, 200)
        return frames


def message(body):
    kind, raw = codec.unwrap(body)
    return codec.MESSAGES[kind].FromString(raw)


# Each answer has another value of these, or only HTTP/1.1 or the flow control of a real server has them.
OTHER_HEADERS = {"audit-id", "date", "transfer-encoding", "x-kubernetes-pf-flowschema-uid",
                 "x-kubernetes-pf-prioritylevel-uid"}


def masked(body):
    """A body in JSON or text without the versions that differ."""
    return re.sub(rb"(current: |too old resource version: 1 \()\d+", rb"\1N", body)


def plain_body(body, content_type):
    """A body that can be compared: bytes, or the fields of a protobuf Status, without the versions that differ."""
    if not content_type.startswith(codec.PROTOBUF):
        return masked(body)
    if content_type.endswith("watch"):
        (event_type, body), = codec.frames(body)
    else:
        event_type = None
    fields = codec.plain(message(body))
    return event_type, {**fields, "message": masked(fields["message"].encode())}


class Answers(Double):
    """Each answer of a double is the recorded one: status, headers, body."""

    def token_of(self, user):
        with open(self.double.admin_token_file) as admin:
            return {"agent": self.agent_token(), "admin": admin.read(), "anonymous": "", "stranger": "wrong"}[user]

    def test_every_answer_of_the_api_server_is_the_recorded_one(self):
        for name, question in recorded_answers.API_SERVER.items():
            with self.subTest(answer=name):
                status, headers, body = self.get(question.path, self.token_of(question.user), question.accept,
                                                 question.method)
                self.assert_as_recorded(name, status, headers, body)

    def assert_as_recorded(self, name, status, headers, body):
        recorded_status, recorded_headers, recorded_body = support.recorded_response(f"answers/{name}.http")
        self.assertEqual(status, recorded_status)
        headers = {key.lower(): value for key, value in headers.items()}
        self.assertEqual(plain_body(body, headers["content-type"]),
                         plain_body(recorded_body, recorded_headers["content-type"]))
        if "content-length" in headers:
            self.assertEqual(int(headers.pop("content-length")), len(body))
            self.assertEqual(int(recorded_headers.pop("content-length")), len(recorded_body))
        self.assertEqual({key: value for key, value in headers.items() if key not in OTHER_HEADERS},
                         {key: value for key, value in recorded_headers.items() if key not in OTHER_HEADERS})

    def test_every_answer_of_the_kubelet_is_the_recorded_one(self):
        folder = support.Folder()
        self.addCleanup(folder.remove)
        kubelet = KubeletApi(os.path.join(folder.path, "kubelet"))
        self.addCleanup(kubelet.stop)
        with open(kubelet.token_file) as token:
            known = "Bearer " + token.read()
        for name, question in recorded_answers.KUBELET.items():
            kubelet.refusal = 403 if question.user == "agent" else None
            with self.subTest(answer=name):
                status, content_type, body = kubelet.answer(
                    question.path, "Bearer wrong" if question.user == "stranger" else known)
                recorded_status, recorded_headers, recorded_body = support.recorded_response(f"answers/{name}.http")
                self.assertEqual((status, content_type, body.encode()),
                                 (recorded_status, recorded_headers["content-type"], recorded_body))


class Refusals(Double):
    def test_requests_beyond_the_role_are_refused_and_recorded(self):
        self.admin.forget_requests()
        refused = ["/api/v1/pods", "/api/v1/pods?watch=1", "/api/v1/events", "/api/v1/secrets",
                   "/api/v1/namespaces/default/secrets/x", "/api/v1/namespaces/default/pods?" + NODE]
        for path in refused:
            self.assertEqual(self.get(path)[0], 403, path)
        self.assertEqual(self.get("/api/v1/namespaces/default/pods/x", method="DELETE")[0], 403)
        for path in (PODS, EVENTS):
            self.assertEqual(self.get(path)[0], 200, path)
        log = self.admin.requests()
        self.assertEqual([entry["status"] for entry in log], [403] * 7 + [200] * 2)
        self.assertEqual(log[-2]["query"], {"fieldSelector": "spec.nodeName=lab-node"})

    def test_a_rotated_token_replaces_the_old_one_at_once(self):
        old = self.agent_token()
        self.double.rotate_token()
        self.assertEqual(self.get(PODS, token=old)[0], 401)
        self.assertEqual(self.get(PODS)[0], 200)


class ListsAndWatches(Double):
    def setUp(self):
        self.names = [f"{self._testMethodName[5:20].replace('_', '-')}{i}" for i in range(5)]
        for name in self.names:
            self.admin.create("pods", pod(name))
        self.addCleanup(lambda: [self.admin.delete("pods", name, grace=0) for name in self.names])

    def list(self, query="", accept=codec.PROTOBUF):
        status, headers, body = self.get(PODS + query, accept=accept)
        self.assertEqual((status, headers["content-type"]), (200, accept))
        return codec.pb.PodList.FromString(codec.unwrap(body)[1]) if accept == codec.PROTOBUF else json.loads(body)

    def test_a_list_is_the_same_in_both_formats(self):
        as_json, as_protobuf = self.list(accept=codec.JSON), self.list()
        self.assertEqual([i["metadata"]["name"] for i in as_json["items"]], self.names)
        self.assertEqual([codec.plain(i) for i in as_protobuf.items],
                         [codec.plain(codec.to_message("Pod", i)) for i in as_json["items"]])
        self.assertEqual(as_protobuf.metadata.resourceVersion, as_json["metadata"]["resourceVersion"])

    def test_all_pages_of_a_list_have_one_version(self):
        page = self.list("&limit=2")
        self.admin.create("pods", pod("zzz-later"))
        self.addCleanup(self.admin.delete, "pods", "zzz-later", grace=0)
        names, version = [i.metadata.name for i in page.items], page.metadata.resourceVersion
        while getattr(page.metadata, "continue"):
            page = self.list("&limit=2&continue=" + getattr(page.metadata, "continue"))
            self.assertEqual(page.metadata.resourceVersion, version)
            names += [i.metadata.name for i in page.items]
        self.assertEqual(names, self.names)

    def test_the_continue_token_looks_like_the_recorded_one(self):
        recorded = codec.pb.PodList.FromString(codec.unwrap(support.recording("pods.list.page1.pb"))[1])
        made = self.list("&limit=2")
        self.assertEqual(set(codec.plain(made.metadata)), set(codec.plain(recorded.metadata)))
        for page in (recorded, made):
            token = getattr(page.metadata, "continue")
            decoded = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            self.assertEqual(decoded["v"], "meta.k8s.io/v1")
            self.assertEqual(decoded["start"], f"/default/{page.items[-1].metadata.name}\0")

    def test_the_limit_is_ignored_where_the_watch_cache_answers(self):
        self.assertEqual(len(self.list("&limit=2&resourceVersion=0").items), 5)

    def test_a_streaming_list_ends_with_a_bookmark_and_becomes_a_watch(self):
        frames = self.watch(WATCH_LIST + "&timeoutSeconds=0.3")
        # The second bookmark ends the watch, as with the real server.
        self.assertEqual([t for t, _ in frames], ["ADDED"] * 5 + ["BOOKMARK"] * 2)
        bookmark = message(frames[5][1]).metadata
        self.assertEqual(dict(bookmark.annotations), {"k8s.io/initial-events-end": "true"})
        self.assertEqual(bookmark.resourceVersion, self.list().metadata.resourceVersion)

    def test_a_watch_continues_after_the_version_it_is_given(self):
        version = self.list().metadata.resourceVersion
        self.admin.update("pods", {"metadata": {"name": self.names[0]}, "status": {"phase": "Running"}}, "status")
        self.admin.delete("pods", self.names[1])
        self.admin.delete("pods", self.names[1], grace=0)
        self.admin.create("pods", pod(self.names[1]))
        frames = self.watch(f"{PODS}&watch=1&resourceVersion={version}&timeoutSeconds=0.3")
        self.assertEqual([(t, message(body).metadata.name) for t, body in frames],
                         [("MODIFIED", self.names[0]), ("MODIFIED", self.names[1]), ("DELETED", self.names[1]),
                          ("ADDED", self.names[1])])
        self.assertEqual(message(frames[0][1]).status.phase, "Running")
        self.assertTrue(message(frames[1][1]).metadata.HasField("deletionTimestamp"))

    def test_pods_of_other_nodes_are_not_seen(self):
        other = pod("elsewhere")
        other["spec"]["nodeName"] = "another-node"
        self.admin.create("pods", other)
        self.addCleanup(self.admin.delete, "pods", "elsewhere", grace=0)
        self.assertEqual([i.metadata.name for i in self.list().items], self.names)

    def test_a_compacted_version_is_answered_as_recorded(self):
        version = self.list().metadata.resourceVersion
        self.admin.update("pods", {"metadata": {"name": self.names[0]}, "status": {"phase": "Running"}}, "status")
        self.admin.compact()
        (event_type, body), = self.watch(f"{PODS}&watch=1&resourceVersion={version}")
        made = codec.plain(message(body))
        (recorded_type, recorded), = codec.frames(support.recorded_response("answers/watch-of-pods-410.http")[2])
        self.assertEqual(event_type, recorded_type)
        self.assertRegex(made.pop("message"), rf"^too old resource version: {version} \(\d+\)$")
        wanted = codec.plain(message(recorded))
        wanted.pop("message")
        self.assertEqual(made, wanted)

    def test_a_pod_that_leaves_the_selector_of_a_watch_is_deleted_for_it(self):
        alive = PODS + "%2Cstatus.phase%21%3DFailed%2Cstatus.phase%21%3DSucceeded"
        version, name = self.list().metadata.resourceVersion, self.names[0]
        for phase in ("Running", "Failed", "Failed", "Running"):
            self.admin.update("pods", {"metadata": {"name": name}, "status": {"phase": phase}}, "status")
        frames = self.watch(f"{alive}&watch=1&resourceVersion={version}&timeoutSeconds=0.3")
        self.assertEqual([event_type for event_type, _ in frames], ["MODIFIED", "DELETED", "ADDED"])
        # The last version that was selected, with the resourceVersion of the change.
        before, deleted, _ = (message(body) for _, body in frames)
        self.assertEqual(deleted.status.phase, "Running")
        self.assertGreater(int(deleted.metadata.resourceVersion), int(before.metadata.resourceVersion))
        self.admin.update("pods", {"metadata": {"name": name}, "status": {"phase": "Succeeded"}}, "status")
        selected = codec.unwrap(self.get(alive, accept=codec.PROTOBUF)[2])[1]
        self.assertEqual([item.metadata.name for item in codec.pb.PodList.FromString(selected).items],
                         self.names[1:])

    def test_json_watches_speak_lines_over_http_1(self):
        status, headers, body = self.get(WATCH_LIST + "&timeoutSeconds=0.3")
        self.assertEqual((status, headers["content-type"]), (200, codec.JSON))
        events = [json.loads(line) for line in body.splitlines()]
        self.assertEqual([e["type"] for e in events], ["ADDED"] * 5 + ["BOOKMARK"] * 2)
        self.assertEqual(events[0]["object"]["kind"], "Pod")

    def test_writing_existing_and_missing_objects(self):
        with self.assertRaises(ApiError) as raised:
            self.admin.create("pods", pod(self.names[0]))
        self.assertEqual(raised.exception.status, 409)
        with self.assertRaises(ApiError) as raised:
            self.admin.update("pods", pod("nobody"))
        self.assertEqual(raised.exception.status, 404)


class Bookmarks(Double):
    arguments = ("--bookmark-seconds", "0.2")

    def test_bookmarks_are_sent_only_if_requested(self):
        # Each bookmark is one piece.
        pieces = itertools.islice(self.open_watch(PODS + "&watch=1&allowWatchBookmarks=true").pieces(), 3)
        self.assertEqual([t for t, _ in codec.frames(b"".join(pieces))], ["BOOKMARK"] * 3)
        self.assertEqual(self.watch(PODS + "&watch=1&timeoutSeconds=0.3"), [])


class Replay(Double):
    arguments = ("--replay-pods", os.path.join(support.RECORDINGS, "pods.watch.pb"),
                 "--replay-events", os.path.join(support.RECORDINGS, "events.watch.pb"),
                 "--replay-interval", "0", "--chunk", "700", "--bookmark-seconds", "3600")

    def test_watchers_get_the_recorded_bytes(self):
        events = "/api/v1/namespaces/default/events?watch=1&timeoutSeconds=0.3"
        version = self.admin.call("GET", "/api/v1/pods")["metadata"]["resourceVersion"]
        pods = self.open_watch(PODS + f"&watch=1&resourceVersion={version}&allowWatchBookmarks=true").pieces()
        recorded_stream, received = support.recording("pods.watch.pb"), b""
        while len(received) < len(recorded_stream):
            piece = next(pods)
            self.assertLessEqual(len(piece), 700)
            received += piece
        self.assertEqual(received, recorded_stream)
        # Nothing follows it, except what the test asks for.
        self.double.spoil_streams("bookmarks", count=1)
        self.double.spoil_streams("end")
        self.assertEqual([t for t, _ in codec.frames(b"".join(pods))], ["BOOKMARK"])
        # A later watch gets the state first. The bytes of its objects are the recorded ones, too.
        recorded = {codec.unwrap(body)[1] for _, body in codec.frames(support.recording("events.watch.pb"))}
        frames = self.watch(events)
        self.assertGreater(len(frames), 100)
        self.assertTrue(all(codec.unwrap(body)[1] in recorded for _, body in frames))


if __name__ == "__main__":
    unittest.main()
