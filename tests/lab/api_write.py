# SPDX-License-Identifier: Apache-2.0
"""Writes to the double of the API server, with the defaults that a real server sets."""

import json
import uuid

from api_clock import CLOCK


def now_text():
    return CLOCK.text()


def refused(*args):
    # Imported here because api_routes imports this module.
    from api_routes import Refused
    return Refused(*args)


def existing(store, target):
    stored = store.get(target.resource, target.namespace, target.name)
    if stored is None:
        raise refused(404, "NotFound", f'{target.resource} "{target.name}" not found',
                      {"name": target.name, "kind": target.resource})
    return stored


def write(store, verb, request, target):
    """Create, update or delete an object. Returns (object, HTTP status)."""
    if verb == "delete":
        return _delete(store, request, existing(store, target))
    value = _parse(request)
    if verb == "create":
        return _create(store, target, value), 201
    return _update(store, target, existing(store, target), value), 200


def _parse(request):
    try:
        value = json.loads(request.body)
    except ValueError as error:
        raise refused(400, "BadRequest", f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise refused(400, "BadRequest", "the body is not an object")
    return {k: v for k, v in value.items() if k not in ("kind", "apiVersion")}


def _create(store, target, value):
    metadata = {**value.get("metadata", {})}
    name = metadata.get("name")
    if not name or not target.namespace:
        raise refused(422, "Invalid", f"{target.resource}: metadata.name and a namespace in the path are needed")
    if store.get(target.resource, target.namespace, name):
        raise refused(409, "AlreadyExists", f'{target.resource} "{name}" already exists',
                      {"name": name, "kind": target.resource})
    metadata.update(namespace=target.namespace, uid=str(uuid.uuid4()), creationTimestamp=now_text())
    value = {**value, "metadata": metadata}
    if target.resource == "pods":
        metadata["generation"] = 1
        value = {**value, "spec": _pod_defaults(value.get("spec", {})),
                 "status": {"phase": "Pending", "qosClass": "BestEffort"}}
    return store.put("ADDED", target.resource, value).json()


def create_pods(store, namespace, pods):
    """Create many pods at once, with their statuses."""
    for pod in pods:
        metadata = {**pod["metadata"], "namespace": namespace, "uid": str(uuid.uuid4()),
                    "creationTimestamp": now_text(), "generation": 1}
        status = {"phase": "Pending", "qosClass": "BestEffort", **pod.get("status", {})}
        store.put("ADDED", "pods", {**pod, "metadata": metadata, "spec": _pod_defaults(pod.get("spec", {})),
                                    "status": status})


def _pod_defaults(spec):
    spec = {"restartPolicy": "Always", **spec}
    for group in ("initContainers", "containers"):
        if group in spec:
            spec[group] = [{"imagePullPolicy": _default_policy(c.get("image", "")), **c} for c in spec[group]]
    if "volumes" in spec:
        spec["volumes"] = [_volume_defaults(volume) for volume in spec["volumes"]]
    return spec


def _volume_defaults(volume):
    if "image" not in volume:
        return volume
    source = volume["image"]
    return {**volume, "image": {"pullPolicy": _default_policy(source.get("reference", "")), **source}}


def _default_policy(image):
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    return "Always" if "@" not in image and tag in ("", "latest") else "IfNotPresent"


def _update(store, target, stored, value):
    """Update the object or its status. The fields of the server stay as they are."""
    old = stored.value
    if target.subresource == "status":
        new = {**old, "status": value.get("status", {})}
    else:
        kept = {k: old["metadata"][k] for k in ("name", "namespace", "uid", "creationTimestamp")}
        new = {**old, **{k: v for k, v in value.items() if k != "status"},
               "metadata": {**old["metadata"], **value.get("metadata", {}), **kept}}
        if target.resource == "pods":
            new["spec"] = _pod_defaults(new["spec"])
            new["metadata"]["generation"] = old["metadata"]["generation"] + 1
    return store.put("MODIFIED", target.resource, new).json()


def _delete(store, request, stored):
    """A pod on a node is only marked at first. The kubelet then deletes it with a grace period of 0."""
    value = stored.value
    metadata = dict(value["metadata"])
    grace = request.query.get("gracePeriodSeconds")
    if stored.resource == "pods" and grace != "0":
        if "deletionTimestamp" in metadata:
            return value, 200
        metadata.update(deletionTimestamp=now_text(), generation=metadata["generation"] + 1,
                        deletionGracePeriodSeconds=int(grace or value["spec"].get("terminationGracePeriodSeconds", 1)))
        return store.put("MODIFIED", "pods", {**value, "metadata": metadata}).json(), 200
    if stored.resource == "pods":
        metadata.setdefault("deletionTimestamp", now_text())
        metadata["deletionGracePeriodSeconds"] = 0
    return store.put("DELETED", stored.resource, {**value, "metadata": metadata}).json(), 200
