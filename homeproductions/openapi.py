"""How the OpenAPI page describes the contract: optional slashes, the envelope, the bearer."""

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


class ContractSchema(AutoSchema):
    """Adds the answers that any endpoint may give."""

    def get_operation_id(self) -> str:
        return f"{self.view.__class__.__name__}_{self.method.lower()}"


def tidy_paths(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Paths answer with and without a trailing slash; the page shows them without."""
    result["paths"] = {path.rstrip("/") or "/": item for path, item in result["paths"].items()}
    return result


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.BearerAuthentication"
    match_subclasses = True
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
