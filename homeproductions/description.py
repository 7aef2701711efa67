"""Where the API describes itself (`/api/schema`)."""

from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularJSONAPIView
from rest_framework.request import Request
from rest_framework.response import Response

FILE = 'inline; filename="Home Productions ticketing API.json"'


class Description(SpectacularJSONAPIView):
    """There is one, whatever version or language the query asks for: the library would put the wish into a header,
    where a line break in it is a fault of ours."""

    def _get_schema_response(self, request: Request) -> Response:
        return Response(_description(), headers={"Content-Disposition": FILE})


@cache
def _description() -> Any:
    """Made once: it takes a quarter of a second, and anybody may ask."""
    return SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
