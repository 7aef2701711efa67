"""Small outermost layers: security headers on every answer, and where a request comes from."""

import ipaddress
from collections.abc import Callable
from functools import cache, lru_cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from . import origin
from .api import bad_request
from .paths import is_api

GetResponse = Callable[[HttpRequest], HttpResponse]

# Parity with the headers the clients' browsers have always seen (contract 1.9), where Django has none of its own.
FIXED_HEADERS = {
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Origin-Agent-Cluster": "?1",
    "Permissions-Policy": "geolocation=(), microphone=(), payment=(), usb=()",
    "X-DNS-Prefetch-Control": "off",
    "X-Frame-Options": "DENY",
    "X-Download-Options": "noopen",
    "X-Permitted-Cross-Domain-Policies": "none",
    "X-XSS-Protection": "0",
}
API_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    # Not on the admin: a browser that sends no referrer posts its login form with `Origin: null`, which CSRF refuses.
    "Referrer-Policy": "no-referrer",
}


class SecurityHeaders:
    """Outermost, so that errors of any other layer carry the headers too."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        withhold_forged_scheme(request)
        response = self.get_response(request)
        tidy_preflight(request, response)
        for name, value in FIXED_HEADERS.items():
            response.headers.setdefault(name, value)
        if is_api(request.path) and not response.headers.get("Content-Type", "").startswith("text/html"):
            for name, value in API_HEADERS.items():
                response.headers[name] = value
            response.headers.setdefault("Cache-Control", "no-store")
        return response


def withhold_forged_scheme(request: HttpRequest) -> None:
    """Anybody can send this header; it says whether the guest's own connection was secure."""
    if "HTTP_X_FORWARDED_PROTO" in request.META and not comes_from_proxy(request):
        del request.META["HTTP_X_FORWARDED_PROTO"]


def tidy_preflight(request: HttpRequest, response: HttpResponse) -> None:
    """Nothing to read is said by 204."""
    if request.method == "OPTIONS" and is_preflight(request) and response.status_code == 200:
        response.status_code = 204
        del response.headers["Content-Type"]


class StorableAddress:
    """Inside CORS and the log, so that its refusal is seen by browsers and by us."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if has_unstorable_address(request):
            return bad_request(request)
        return self.get_response(request)


class RequestOrigin:
    """Makes the client's address and agent known to audit rows and orders."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        agent = request.META.get("HTTP_USER_AGENT", "")[: origin.USER_AGENT_MAX_LENGTH]
        agent = agent.replace("\x00", "").encode("utf-8", "replace").decode()
        origin.enter(origin.Origin(ip=client_address(request), user_agent=agent or None))
        try:
            return self.get_response(request)
        finally:
            origin.enter(origin.NOWHERE)


def is_preflight(request: HttpRequest) -> bool:
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers


def comes_from_proxy(request: HttpRequest) -> bool:
    peer = _parse(request.META.get("REMOTE_ADDR", ""))
    return peer is not None and _is_trusted(peer, _proxies())


def has_unstorable_address(request: HttpRequest) -> bool:
    """NUL in a path or query can match nothing and makes the database driver fail."""
    return "\x00" in request.path or "%00" in request.META.get("QUERY_STRING", "")


def client_address(request: HttpRequest) -> str | None:
    """The right-most address in the chain that is not one of our own proxies; None when there is none at all.

    X-Forwarded-For is believed only when the request comes from TRUSTED_PROXIES: anybody can send that header.
    """
    peer, forwarded = request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", "")
    return _client(peer, forwarded if forwarded and comes_from_proxy(request) else "", _proxies())


# Asked several times by each request, of the phones that are about.
@lru_cache(maxsize=1_000)
def _client(peer_text: str, forwarded: str, proxies: tuple[str, ...]) -> str | None:
    peer = _parse(peer_text)
    if peer is None or not _is_trusted(peer, proxies):
        return str(peer) if peer else None
    for text in reversed(forwarded.split(",")):
        hop = _parse(text)
        if hop is None:
            break
        if not _is_trusted(hop, proxies):
            return str(hop)
    return str(peer)


def _proxies() -> tuple[str, ...]:
    return tuple(settings.TRUSTED_PROXIES)


def _parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_trusted(address: ipaddress.IPv4Address | ipaddress.IPv6Address, proxies: tuple[str, ...]) -> bool:
    return any(address in network for network in _networks(proxies))


@cache
def _networks(texts: tuple[str, ...]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [ipaddress.ip_network(text, strict=False) for text in texts]
