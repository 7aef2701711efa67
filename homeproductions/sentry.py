"""Errors to Sentry, if SENTRY_DSN is set: what the log says about them, and nothing more.

Of what the package puts together only what is named here leaves: no request, no user, no variables of a frame, no text
of an error that could quote somebody. It is an extra: requirements-sentry.txt.
"""

import logging
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from .logs import hidden, request_id
from .stacks import chain, text_of

KEPT = ("event_id", "timestamp", "level", "logger", "platform", "release")
KEPT_OF_FRAMES = (
    "filename",
    "abs_path",
    "function",
    "module",
    "lineno",
    "pre_context",
    "context_line",
    "post_context",
    "in_app",
)


def start(dsn: str, **options: Any) -> None:
    """Send each error that is logged, and what ends a process. `options` are those of the package, for tests."""
    import sentry_sdk
    from sentry_sdk.integrations.atexit import AtexitIntegration
    from sentry_sdk.integrations.dedupe import DedupeIntegration
    from sentry_sdk.integrations.excepthook import ExcepthookIntegration
    from sentry_sdk.integrations.logging import LoggingIntegration

    sentry_sdk.init(
        dsn,
        release=f"homeproductions@{settings.VERSION}",
        before_send=only_what_is_named,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            AtexitIntegration(callback=lambda pending, timeout: None),  # it would print
            DedupeIntegration(),
            ExcepthookIntegration(),
            LoggingIntegration(level=None, event_level=logging.ERROR),
        ],
        auto_session_tracking=False,
        include_local_variables=False,
        max_breadcrumbs=0,
        max_request_body_size="never",
        send_client_reports=False,
        **options,
    )


def only_what_is_named(event: Any, hint: dict[str, Any]) -> Any:
    """A new event out of those parts of the old one that say nothing about anybody."""
    kept = {name: event[name] for name in KEPT if name in event}
    if name := request_id():
        kept["tags"] = {"request_id": name}
    if record := hint.get("log_record"):
        kept |= _said(record)
    if info := hint.get("exc_info"):
        texts = {type(link).__name__: text_of(link) for link in chain(info[1])}
        links = (event.get("exception") or {}).get("values") or []
        kept["exception"] = {"values": [_kind_and_place(link, texts) for link in links]}
    return kept


def _said(record: logging.LogRecord) -> dict[str, Any]:
    """The line as the log has it. Structlog hands over all its values instead of a text."""
    if not isinstance(record.msg, dict):
        return {"message": hidden(record.getMessage())}
    told = {name: hidden(str(value)) for name, value in record.msg.items() if name not in ("exception", "exc_info")}
    return {"message": told.pop("event", ""), "extra": told}


def _kind_and_place(link: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    frames = (link.get("stacktrace") or {}).get("frames") or []
    return {
        "type": link.get("type"),
        "module": link.get("module"),
        "value": hidden(texts.get(str(link.get("type")), "")),
        "stacktrace": {"frames": [{name: frame[name] for name in KEPT_OF_FRAMES if name in frame} for frame in frames]},
    }
