# SPDX-License-Identifier: Apache-2.0
"""The formats of the API server's double, compared with what a real API server sent."""

import json
import unittest

import support
import kube_codec as codec
from api_store import Stored

STREAMS = {"pods.watch.pb": "pods", "pods.watchlist.pb": "pods", "events.watch.pb": "events"}
LISTS = {"pods.list": ("Pod", codec.pb.PodList), "events.list": ("Event", codec.pb.EventList)}


def decode(kind, raw):
    return codec.MESSAGES[kind].FromString(raw)


class WatchStreams(unittest.TestCase):
    def test_every_recorded_frame_is_rebuilt_byte_for_byte(self):
        for name in STREAMS:
            data = support.recording(name)
            rebuilt = b"".join(codec.frame(event_type, codec.wrap(*codec.unwrap(body)))
                               for event_type, body in codec.frames(data))
            self.assertEqual(rebuilt, data, name)

    def test_every_recorded_object_survives_a_round_trip_through_json(self):
        for name, resource in STREAMS.items():
            seen = 0
            for _, body in codec.frames(support.recording(name)):
                kind, raw = codec.unwrap(body)
                original = codec.plain(decode(kind, raw))
                stored = Stored(resource, value=original)
                self.assertEqual(codec.plain(decode(kind, stored.raw)), original)
                seen += 1
            self.assertGreater(seen, 200, name)

    def test_the_expired_frame_has_the_recorded_fields(self):
        _, _, body = support.recorded_response("answers/watch-of-pods-410.http")
        (event_type, recorded), = codec.frames(body)
        made = codec.status(410, "Expired", f"too old resource version: 1 ({support.FACTS['oldest_version']})")
        raw = codec.to_message("Status", made).SerializeToString()
        self.assertEqual(event_type, "ERROR")
        self.assertEqual(codec.unwrap(recorded)[0], "Status")
        self.assertEqual(codec.plain(decode("Status", codec.unwrap(recorded)[1])), codec.plain(decode("Status", raw)))


class Lists(unittest.TestCase):
    def both_forms(self, name):
        """(kind, protobuf message, JSON) of every item."""
        kind, list_message = LISTS[name]
        as_json = json.loads(support.recording(name + ".json"))
        listed, raw = codec.unwrap(support.recording(name + ".pb"))
        self.assertEqual(listed, as_json["kind"])
        items = list_message.FromString(raw).items
        self.assertEqual(len(items), len(as_json["items"]))
        return [(kind, *pair) for pair in zip(items, as_json["items"])]

    def test_json_becomes_the_recorded_protobuf(self):
        for name in LISTS:
            for kind, message, as_json in self.both_forms(name):
                self.assertEqual(codec.plain(codec.to_message(kind, as_json)), codec.plain(message))

    def test_protobuf_has_every_field_the_json_has(self):
        """Every field of a status and an event that the agent reads is in the double's messages."""
        for _, message, as_json in self.both_forms("pods.list"):
            for group in ("containerStatuses", "initContainerStatuses"):
                for made, wanted in zip(codec.plain(message)["status"].get(group, []),
                                        as_json["status"].get(group, [])):
                    self.assertEqual(made["state"], wanted["state"])
        for _, message, as_json in self.both_forms("events.list"):
            made = codec.plain(message)
            for key in as_json.keys() - {"metadata", "eventTime"}:
                self.assertEqual(made[key], as_json[key])

    def test_a_list_of_recorded_items_is_the_recorded_list(self):
        for name, (kind, list_message) in LISTS.items():
            recorded = list_message.FromString(codec.unwrap(support.recording(name + ".pb"))[1])
            body = codec.encode_list(kind + "List", codec.plain(recorded.metadata),
                                     [item.SerializeToString() for item in recorded.items])
            made_kind, raw = codec.unwrap(body)
            made = list_message.FromString(raw)
            self.assertEqual(made_kind, kind + "List")
            self.assertEqual(codec.plain(made.metadata), codec.plain(recorded.metadata))
            self.assertEqual(list(made.items), list(recorded.items))


class BadInput(unittest.TestCase):
    def test_a_body_without_the_magic_is_refused(self):
        with self.assertRaisesRegex(ValueError, "begins with 'k8s'"):
            codec.unwrap(b"{}")


if __name__ == "__main__":
    unittest.main()
