# SPDX-License-Identifier: Apache-2.0
"""
Kubernetes objects as JSON (dicts), as protobuf messages, and as bytes on the wire.

A protobuf body is "k8s\\0" and a runtime.Unknown; a watch stream is frames of a 4-byte length
and a metav1.WatchEvent, whose object is such a body again.
"""

import datetime
import json
import struct

import protos

pb = protos.kube()
MAGIC = b"k8s\0"
PROTOBUF, JSON = "application/vnd.kubernetes.protobuf", "application/json"

MESSAGES = {"Pod": pb.Pod, "Event": pb.Event, "Status": pb.Status}
_INLINED = {"volumeSource", "ephemeralContainerCommon"}  # a nested message in protobuf only
_TIMES = {"Time", "MicroTime"}
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def fill(message, value):
    """Set the fields of `message` from an object's JSON. Unknown fields are left out."""
    for field in message.DESCRIPTOR.fields:
        if field.name in _INLINED:
            fill(getattr(message, field.name), value)
        elif value.get(field.name) is not None:
            _fill_field(message, field, value[field.name])
    return message


def _fill_field(message, field, value):
    if field.message_type is None and field.label == field.LABEL_REPEATED:
        getattr(message, field.name).extend(value)
    elif field.message_type is None:
        setattr(message, field.name, value)
    elif field.message_type.GetOptions().map_entry:
        getattr(message, field.name).update(value)
    elif field.label == field.LABEL_REPEATED:
        for item in value:
            fill(getattr(message, field.name).add(), item)
    elif field.message_type.name in _TIMES:
        _fill_time(getattr(message, field.name), value)
    else:
        child = getattr(message, field.name)
        child.SetInParent()  # "running": {} means something although it is empty
        fill(child, value)


def _fill_time(message, text):
    since = datetime.datetime.fromisoformat(text) - _EPOCH
    message.seconds = since.days * 86400 + since.seconds
    message.nanos = since.microseconds * 1000


def plain(message):
    """The message as JSON without empty values (Go sometimes writes them and sometimes not)."""
    out = {}
    for field, value in message.ListFields():
        if field.name in _INLINED:
            out.update(plain(value))
            continue
        if field.message_type is None and field.label == field.LABEL_REPEATED:
            kept = list(value)
        elif field.message_type is None:
            kept = value
        elif field.message_type.GetOptions().map_entry:
            kept = dict(value)
        elif field.label == field.LABEL_REPEATED:
            kept = [plain(item) for item in value]
        elif field.message_type.name in _TIMES:
            kept = _time_text(value)
        else:
            kept = plain(value)
        if kept not in ("", 0, False, {}, []) or field.name == "running":
            out[field.name] = kept
    return out


def _time_text(message):
    if not message.seconds:
        return ""
    moment = _EPOCH + datetime.timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)
    return moment.isoformat().replace("+00:00", "Z")


def to_message(kind, value):
    return fill(MESSAGES[kind](), value)


def wrap(kind, raw):
    """A protobuf body around an object's bytes."""
    unknown = pb.Unknown(raw=raw, contentEncoding="", contentType="")
    unknown.typeMeta.apiVersion, unknown.typeMeta.kind = "v1", kind
    return MAGIC + unknown.SerializeToString()


def unwrap(body):
    """(kind, object's bytes) of a protobuf body."""
    if not body.startswith(MAGIC):
        raise ValueError("a protobuf body begins with 'k8s' and a zero")
    unknown = pb.Unknown.FromString(body[len(MAGIC):])
    return unknown.typeMeta.kind, unknown.raw


def frame(event_type, body):
    """One frame of a protobuf watch stream; `body` as from wrap()."""
    event = pb.WatchEvent(type=event_type)
    event.object.raw = body
    data = event.SerializeToString()
    return struct.pack("!I", len(data)) + data


def frames(data):
    """Every (type, body) of a whole recorded watch stream."""
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("!I", data, at)
        event = pb.WatchEvent.FromString(data[at + 4:at + 4 + length])
        yield event.type, event.object.raw
        at += 4 + length


def encode_list(kind, meta, items):
    """A PodList or EventList of items that are already bytes."""
    raw = _field(1, fill(pb.ListMeta(), meta).SerializeToString())
    return wrap(kind, raw + b"".join(_field(2, item) for item in items))


def _field(number, data):
    length, size = len(data), bytearray()
    while length > 0x7F:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    size.append(length)
    return bytes([number << 3 | 2]) + bytes(size) + data


def encode_json(value):
    return json.dumps(value, separators=(",", ":")).encode()


def status(code, reason, message, details=None):
    """A metav1.Status of a failure, as JSON."""
    value = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
             "reason": reason}
    if details is not None:
        value["details"] = details
    return {**value, "code": code}
