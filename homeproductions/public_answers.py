"""Answers that are the same for everybody: read, rendered and compressed once, then kept for a second."""

import gzip
import hashlib
from collections.abc import Callable, Hashable
from functools import cached_property
from typing import Any

import brotli
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response

from .api import in_json
from .memory import Memory

# A CDN in front may answer as long as we would ourselves.
CACHE_CONTROL = "public, max-age=1"
BROTLI_QUALITY = 5  # nearly as small as the best, at a tenth of its time


class Answer:
    """An envelope in bytes, also compressed once somebody asks for that."""

    def __init__(self, **payload: Any) -> None:
        self.body: bytes = in_json({"success": True, **payload})
        # Weak: the same content, whether compressed or not.
        self.etag = f'W/"{hashlib.sha256(self.body).hexdigest()[:32]}"'

    @cached_property
    def gzip(self) -> bytes:
        return gzip.compress(self.body, compresslevel=6, mtime=0)

    @cached_property
    def br(self) -> bytes:
        compressed: bytes = brotli.compress(self.body, quality=BROTLI_QUALITY)
        return compressed

    def to(self, request: HttpRequest) -> HttpResponse:
        """The answer as this caller can read it; 304 without content when they have it already."""
        encoding = _encoding(request)
        body = getattr(self, encoding) if encoding else self.body
        headers = {"ETag": self.etag, "Cache-Control": CACHE_CONTROL}
        if encoding:
            headers["Content-Encoding"] = encoding
        response = HttpResponse(body, content_type="application/json", headers=headers)
        if "HTTP_IF_NONE_MATCH" not in request.META:
            return response
        return get_conditional_response(request, etag=self.etag, response=response) or response


_answers: Memory[Answer] = Memory()


def remembered(key: Hashable, request: HttpRequest, make: Callable[[], dict[str, Any]]) -> HttpResponse:
    """The answer with this key; `make` reads what it says. What that raises is the answer now, and not kept."""
    return _answers.get(key, lambda: Answer(**make())).to(request)


def _encoding(request: HttpRequest) -> str:
    """The best one of ours that the caller names; without the fine print of weights, which no client of ours sends."""
    accepted = request.META.get("HTTP_ACCEPT_ENCODING", "")
    names = {part.strip().lower() for part in accepted.split(",")} if accepted else set()
    return next((name for name in ("br", "gzip") if name in names), "")
