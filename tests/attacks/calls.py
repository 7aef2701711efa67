"""Every writing route of the API as it is meant to be called, and what a caller may write there."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from accounts.services import sessions
from tests.signing import paid_body

from .season import Season

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Call:
    """A route as it is meant: `path` and `body` of a season; `takes` are names that a caller may write there."""

    path: Callable[[Season], str]
    body: Callable[[Season], Any] = lambda season: {}
    takes: tuple[str, ...] = ()
    is_signed: bool = False


EVENT = "name location venue date event_date time event_time description type event_type main_artist artists image"
EVENT += " image_url min_age status is_featured tiers"
TIER = "id name description price currency quantity max_per_order payment_link is_active sale_starts_at sale_ends_at"
ALBUM = "title description event_id photographer is_published cover_url images image_url thumbnail_url caption"
ALBUM += " cloudinary_id is_featured sort_order url thumbnail"
BUYER = "event_id tier_id buyer_name buyer_email buyer_phone buyer_country buyer_nationality quantity payment_method"
BUYER += " referral_source send_email"
NOTICE = "event status data order_id payment_id reference amount_in_cents currency checkout_id fee_in_cents id metadata"
NOTICE += " event_type type checkout customer amount fee"  # another provider's words for the same


def names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def wish(season: Season) -> dict[str, Any]:
    tier = season.tier
    return {"eventId": str(tier.event_id), "tierId": str(tier.pk), "buyerName": "A", "buyerEmail": "a@example.com"}


def night(season: Season) -> dict[str, Any]:
    tier = {"id": str(season.tier.pk), "name": "New", "price": 9, "quantity": 60}
    return {"name": "New", "location": "B", "date": "2027-02-14", "tiers": [tier, {"name": "VIP", "price": 99}]}


def album(season: Season) -> dict[str, Any]:
    return {"title": "New", "images": [{"url": "https://pictures.example/2.jpg"}]}


def at(template: str, row: str) -> Callable[[Season], str]:
    return lambda season: template.format(getattr(season, row).pk)


PAYMENTS = "/api/admin/payments/{{}}/{}"
CALLS: dict[tuple[str, str], Call] = {
    ("POST", "/api/orders"): Call(lambda s: "/api/orders", wish, names(BUYER)),
    ("POST", "/api/checkin"): Call(
        lambda s: "/api/checkin",
        lambda s: {"order_number": s.order.order_number},
        names("qr_code order_id order_number event_id nonce"),
    ),
    ("POST", "/api/auth/login"): Call(
        lambda s: "/api/auth/login",
        lambda s: {"email": s.actor.email, "password": PASSWORD},
        ("email", "password"),
    ),
    ("POST", "/api/auth/refresh"): Call(
        lambda s: "/api/auth/refresh",
        lambda s: {"refreshToken": sessions._open_session(s.actor, family=uuid.uuid4()).refresh_token},
        ("refresh_token", "user_id"),
    ),
    ("POST", "/api/auth/logout"): Call(lambda s: "/api/auth/logout"),
    ("POST", "/api/auth/change-password"): Call(
        lambda s: "/api/auth/change-password",
        lambda s: {"currentPassword": PASSWORD, "newPassword": "staple-lightning-7"},
    ),
    ("POST", "/api/admin/orders/test"): Call(lambda s: "/api/admin/orders/test", wish, names(BUYER)),
    **{
        ("POST", path): Call(
            lambda s, path=path: path, lambda s: {"orderId": s.orders["pending"].order_number}, ("order_id",)
        )
        for path in ("/api/admin/orders/mark-paid", "/api/admin/mark-paid")
    },
    ("POST", "/api/admin/payments/{reference}/assign"): Call(
        at(PAYMENTS.format("assign"), "payment"),
        lambda s: {"orderId": s.orders["pending"].order_number, "acceptDifference": True, "note": "x"},
        names("order_id order_number accept_difference note"),
    ),
    ("POST", "/api/admin/payments/{reference}/accept-late"): Call(
        at(PAYMENTS.format("accept-late"), "payment"), takes=names("order_id accept_difference")
    ),
    ("POST", "/api/admin/payments/{reference}/mark-refunded"): Call(
        at(PAYMENTS.format("mark-refunded"), "payment"), lambda s: {"note": "x"}, ("note",)
    ),
    ("POST", "/api/admin/payments/{reference}/ignore"): Call(
        at(PAYMENTS.format("ignore"), "stray"), lambda s: {"note": "x"}, ("note",)
    ),
    ("PUT", "/api/admin/orders/{reference}/status"): Call(
        lambda s: f"/api/admin/orders/{s.orders['pending'].pk}/status",
        lambda s: {"status": "paid"},
        names("status payment_reference send_email force"),
    ),
    ("POST", "/api/admin/orders/{reference}/resend-email"): Call(at("/api/admin/orders/{}/resend-email", "order")),
    ("POST", "/api/admin/events"): Call(lambda s: "/api/admin/events", night, names(EVENT)),
    ("PUT", "/api/admin/events/{reference}"): Call(at("/api/admin/events/{}", "event"), night, names(EVENT)),
    ("DELETE", "/api/admin/events/{reference}"): Call(at("/api/admin/events/{}", "event")),
    ("POST", "/api/admin/upload/sign"): Call(
        lambda s: "/api/admin/upload/sign", lambda s: {"eventId": str(s.event.pk)}, names("event_id folder")
    ),
    ("POST", "/api/admin/upload/event-image/{event_id}"): Call(
        at("/api/admin/upload/event-image/{}", "event"), lambda s: {"image": "https://x.example/a.jpg"}, ("image",)
    ),
    ("DELETE", "/api/admin/upload/event-image/{event_id}"): Call(at("/api/admin/upload/event-image/{}", "event")),
    ("POST", "/api/admin/gallery"): Call(lambda s: "/api/admin/gallery", album, names(ALBUM)),
    ("PUT", "/api/admin/gallery/{reference}"): Call(at("/api/admin/gallery/{}", "album"), album, names(ALBUM)),
    ("DELETE", "/api/admin/gallery/{reference}"): Call(at("/api/admin/gallery/{}", "album")),
    ("POST", "/api/admin/gallery/upload-sign"): Call(
        lambda s: "/api/admin/gallery/upload-sign", lambda s: {"galleryId": str(s.album.pk)}, ("gallery_id",)
    ),
    **{
        ("POST", f"/api/newsletter/{word}"): Call(
            lambda s, word=word: f"/api/newsletter/{word}", lambda s: {"email": "new@example.com"}, ("email",)
        )
        for word in ("subscribe", "unsubscribe")
    },
    **{
        ("POST", f"/api/webhook/{word}"): Call(
            lambda s, word=word: f"/api/webhook/{word}",
            lambda s: json.loads(paid_body(s.orders["pending"], id="pay_1")),
            names(NOTICE),
            is_signed=True,
        )
        for word in ("payment", "recurrente")
    },
}
# Inside a body: what may be written of each tier and of each picture.
INNER = {
    "tiers": names(TIER),
    "images": names(ALBUM),
    "data": names(NOTICE),
    "metadata": names("order_id order_number"),
}
