"""A stored notice without the person in it. What the money is about stays: later notices of the same payment are
compared with what the first one said."""

import json
import re
from dataclasses import replace
from typing import Any

from homeproductions.traces import Traces

from . import Notice, Unreadable
from .reading import json_object
from .registry import notices_in

# Only what is known to name things and sums is kept, so that nothing personal stays under a name nobody thought of.
KEPT = re.compile(
    r"id|\w+_id|object|event|event_type|type|status|payment_status|api_version|currency|fee|\w*amount\w*|\w+_in_cents"
    r"|livemode|live_mode|created|created_at|reference|order_number|order|order_reference|customer_email"
)
WITHIN = re.compile(
    r"data|object|metadata|checkout|payment|payment_intent|latest_intent|latest_charge|intentable|refund|refunds"
    r"|dispute|charge|charges|intent"
)
# Ids, codes and moments; no spaces and no @, so neither full names nor addresses.
PLAIN = re.compile(r"[\w.:/+-]{1,255}", re.ASCII)


def bare(body: bytes, traces: Traces) -> bytes:
    """The body without names, addresses and whatever else is not needed to know the money again; empty when it is no
    JSON object. Its signature no longer fits it."""
    try:
        content = json_object(body)
    except Unreadable:
        return b""
    return json.dumps(traces.without(_bare(content))).encode()


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
        elif _is_plain(value) and (KEPT.fullmatch(name) or WITHIN.fullmatch(name)):
            kept[name] = value
    return kept


def _bare_all(value: Any) -> Any:
    if isinstance(value, dict):
        return _bare(value)
    if isinstance(value, list):
        return [_bare_all(each) for each in value if isinstance(each, dict | list)]
    return None


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool | int | float) or (isinstance(value, str) and PLAIN.fullmatch(value) is not None)
