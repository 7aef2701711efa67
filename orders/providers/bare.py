"""A stored notice without the person in it. What the money is about stays: later notices of the same payment are
compared with what the first one said."""

import json
import re
from dataclasses import replace
from typing import Any

from homeproductions.traces import FORGOTTEN, Traces

from . import Notice, Unreadable
from .reading import json_object
from .registry import notices_in

# Only what is known to name things and sums is kept, so that nothing personal stays under a name nobody thought of.
STATES = re.compile(
    r"object|event|event_type|type|status|payment_status|api_version|currency|fee|\w*amount\w*|\w+_in_cents"
    r"|livemode|live_mode|created|created_at"
)
IDS = re.compile(r"id|\w+_id|reference|order_number|order|order_reference|customer_email")
WITHIN = re.compile(
    r"data|object|metadata|checkout|payment|payment_intent|latest_intent|latest_charge|intentable|refund|refunds"
    r"|dispute|charge|charges|intent"
)
# Ids, codes and moments; no spaces and no @, so neither full names nor addresses.
PLAIN = re.compile(r"[\w.:/+-]{1,255}", re.ASCII)


def bare(body: bytes, traces: Traces) -> bytes:
    """The body without names, addresses and whatever else is not needed to know the money again; empty when it is no
    JSON object. Its signature no longer fits it.

    `traces`: how the guest is called whom the notice is about. Where nothing but that stands for an id it goes as well;
    kinds, states and sums stay even if a guest is called like one.
    """
    try:
        content = json_object(body)
    except Unreadable:
        return b""
    return json.dumps(_unnamed(_bare(content), traces)).encode()


def means_the_same(provider: str, first: bytes, second: bytes) -> bool:
    """Whether the provider's module reads the same in both, but for who paid."""
    return _without_payer(provider, first) == _without_payer(provider, second)


def _without_payer(provider: str, body: bytes) -> list[Notice]:
    return [replace(notice, payer_email="") for notice in notices_in(provider, body)]


def _bare(content: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, dict | list):
            if WITHIN.fullmatch(name):
                kept[name] = _bare_all(value)
        elif _is_plain(value) and any(names.fullmatch(name) for names in (STATES, IDS, WITHIN)):
            kept[name] = value
    return kept


def _bare_all(value: Any) -> Any:
    if isinstance(value, dict):
        return _bare(value)
    if isinstance(value, list):
        return [_bare_all(each) for each in value if isinstance(each, dict | list)]
    return None


def _unnamed(value: Any, traces: Traces, name: str = "") -> Any:
    match value:
        case dict():
            return {name: _unnamed(each, traces, name) for name, each in value.items()}
        case list():
            return [_unnamed(each, traces) for each in value]
        case str() if not STATES.fullmatch(name) and traces.are_all_of(value):
            return FORGOTTEN
    return value


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool | int | float) or (isinstance(value, str) and PLAIN.fullmatch(value) is not None)
