"""How the OpenAPI page describes the contract: optional slashes, the envelope, the bearer."""

import re
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers


class Refusal(serializers.Serializer[Any]):
    """What every refused request answers."""

    success = serializers.BooleanField(help_text="Always false.")
    error = serializers.CharField(help_text="A text for people; it may change.")
    code = serializers.CharField(help_text="One of the contract's codes; it stays.")


class Message(serializers.Serializer[Any]):
    """The answer of a write that has nothing else to tell."""

    success = serializers.BooleanField()
    message = serializers.CharField()


def refusals(**codes: str) -> dict[int, OpenApiResponse]:
    """`refusals(_400="SOLD_OUT, ...", _404="ORDER_NOT_FOUND")` as documented error answers."""
    return {int(status[1:]): OpenApiResponse(Refusal, description=text) for status, text in codes.items()}


SIGNED_IN = {"_401": "NO_TOKEN, INVALID_TOKEN", "_403": "FORBIDDEN"}


class ContractSchema(AutoSchema):
    """Names operations after their path: two paths may lead to one view."""

    def get_operation_id(self) -> str:
        words = re.findall(r"[a-zA-Z]+", self.path.removeprefix("/api"))
        return "_".join([self.method.lower(), *words])


ANYWHERE = {
    "400": "VALIDATION_ERROR",
    "429": "RATE_LIMITED, with Retry-After",
    "503": "UNAVAILABLE: the database is away; try again after Retry-After",
}
WITH_A_BODY = {"411": "LENGTH_REQUIRED", "413": "PAYLOAD_TOO_LARGE", "415": "UNSUPPORTED_MEDIA_TYPE"}
UNLIMITED = ("/health", "/health/live")


def tidy_paths(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Paths answer with and without a trailing slash; the page shows them without. Refusals that the layers around
    every view may give are added to each operation."""
    result["paths"] = {path.rstrip("/") or "/": item for path, item in result["paths"].items()}
    for path, item in result["paths"].items():
        for operation in item.values() if path not in UNLIMITED else ():
            common = {**ANYWHERE, **(WITH_A_BODY if "requestBody" in operation else {})}
            for status, text in common.items():
                operation["responses"].setdefault(status, _refusal_response(text))
    return result


def _refusal_response(text: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Refusal"}
    return {"description": text, "content": {"application/json": {"schema": schema}}}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.BearerAuthentication"
    match_subclasses = True
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
