"""The OpenAPI document as it is served: what Litestar writes, in the form that generators like.

Litestar describes a parameter that may be left out as `oneOf` its type and null. A query has no
null, and generated clients would offer it; a parameter that is not required says all. And it
describes no body that it does not decode: the schemas of those are added here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from litestar.openapi.spec import OpenAPI, Schema


class Document(OpenAPI):
    """The document.

    Attributes:
        bodies: schemas of bodies, by their names.
    """

    bodies: dict[str, Schema]

    def to_schema(self) -> dict[str, Any]:
        """The document as plain types."""
        document = super().to_schema()
        schemas: dict[str, Any] = document["components"]["schemas"]
        schemas.update((name, schema.to_schema()) for name, schema in self.bodies.items())
        document["components"]["schemas"] = dict(sorted(schemas.items()))
        for parameter in _parameters(document):
            parameter["schema"] = _without_null(parameter["schema"])
            for name in ("deprecated", "allowEmptyValue", "allowReserved"):
                parameter.pop(name, None)  # false, which is the default
        return document


def _parameters(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for operations in document["paths"].values():
        for operation in operations.values():
            yield from operation.get("parameters", ())


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a parameter without its alternative null."""
    types = [one for one in schema.pop("oneOf", ()) if one != {"type": "null"}]
    assert len(types) < 2, schema
    for type_ in types:
        schema |= type_
    if "anyOf" in schema:
        del schema["type"]
    return schema
