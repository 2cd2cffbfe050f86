# SPDX-License-Identifier: Apache-2.0
"""JSON schemas for kubeconform, made from the OpenAPI of an API server: the published ones cannot be had offline."""

import os

from control_plane import write_json

LOCATION = "{{.ResourceKind}}{{.KindSuffix}}.json"  # kubeconform fills in "daemonset-apps-v1.json"


def write_schemas(openapi, folder):
    """A strict schema for each kind. Returns the value of kubeconform's -schema-location."""
    os.makedirs(folder)
    definitions = {name: _strict(definition) for name, definition in openapi["definitions"].items()}
    write_json(os.path.join(folder, "definitions.json"), {"definitions": definitions})
    for name, definition in definitions.items():
        for kind in definition.get("x-kubernetes-group-version-kind", ()):
            group = [kind["group"].partition(".")[0]] if kind["group"] else []
            file = "-".join([kind["kind"].lower(), *group, kind["version"]]) + ".json"
            write_json(os.path.join(folder, file), {"$ref": f"definitions.json#/definitions/{name}"})
    return os.path.join(folder, LOCATION)


def write_schema_of_definition(definition, folder):
    """The same for each version of a CustomResourceDefinition."""
    spec = definition["spec"]
    for version in spec["versions"]:
        file = f"{spec['names']['singular']}-{spec['group'].partition('.')[0]}-{version['name']}.json"
        write_json(os.path.join(folder, file), _strict(version["schema"]["openAPIV3Schema"]))


def _strict(schema):
    """Without unknown fields. References lead to the file with all definitions."""
    if not isinstance(schema, dict):
        return [_strict(each) for each in schema] if isinstance(schema, list) else schema
    found = {key: _strict(value) for key, value in schema.items()}
    if isinstance(found.get("$ref"), str):
        return {"$ref": found["$ref"].replace("#/", "definitions.json#/")}
    if found.get("format") == "int-or-string":
        return {"type": ["integer", "string"]}
    if isinstance(found.get("properties"), dict) and not found.get("x-kubernetes-preserve-unknown-fields"):
        found.setdefault("additionalProperties", False)
    return found
