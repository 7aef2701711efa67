"""Fills an empty database with a season around today."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from audit.models import AuditLog
from events.models import Event, TicketTier
from gallery.models import Gallery, GalleryImage
from homeproductions import origin
from homeproductions.errors import Refused
from newsletter.models import Subscriber
from orders.models import Order
from orders.providers import standard
from orders.services import checkin, checkout, deliveries

from . import notice, pictures, programme
from .history import History, address
from .media import PAYMENT_PAGE, media_url
from .staff import make_staff

Say = Callable[[str], object]
SUBSCRIBERS = 36

# --- Fill ----------------------------------------------------------------------------------------------------


@transaction.atomic
def fill(*, passwords: dict[str, str], say: Say) -> None:
    """Put a whole season into an empty database, or nothing at all."""
    now = timezone.now()
    say("staff logins")
    staff = make_staff(passwords)
    history = History(now=now, admin=staff["admin"], door=staff["door"])
    say(f"{len(programme.NIGHTS)} nights with their tickets")
    events = {night: _make_night(night, history, staff["admin"]) for night in programme.NIGHTS}
    test_order = history.add_test_order(events[programme.TONIGHT].tiers.all()[0])
    for night in programme.PAST:
        history.open_doors(events[night])
    history.add_money_to_review()
    say(f"{len(history.orders)} orders of the past weeks")
    history.write()
    say("orders of today")
    _sell_today(events)
    _try_the_scanner(test_order, staff["door"])
    say("galleries and newsletter")
    for night in programme.PAST:
        _make_album(night, events[night], staff["admin"])
    _make_album(programme.PAST[0], events[programme.PAST[0]], staff["admin"], is_published=False)
    _subscribe(now)


# --- Nights --------------------------------------------------------------------------------------------------


def _make_night(night: programme.Night, history: History, admin: User) -> Event:
    event = Event(
        name=night.name,
        slug=night.slug,
        location=night.location,
        venue=night.venue,
        event_date=night.date(timezone.localdate(history.now)),
        event_time=night.start,
        end_time=night.end,
        description=night.description,
        event_type=night.kind,
        main_artist=night.artists[0] if night.artists else None,
        artists=list(night.artists),
        image_url=media_url(f"{night.slug}.jpg"),
        min_age=night.min_age,
        status=night.status,
        is_featured=night.is_featured,
        created_by=admin,
    )
    event.created_at = min(event.starts_at, history.now) - timedelta(days=50)
    tiers = [_make_tier(event, number, plan, history) for number, plan in enumerate(night.tiers)]
    event.save()
    TicketTier.objects.bulk_create(tiers)
    _audit_night(event, admin)
    return event


def _make_tier(event: Event, number: int, plan: programme.Tier, history: History) -> TicketTier:
    tier = TicketTier(
        event=event,
        name=plan.name,
        description=plan.description or None,
        price=plan.price,
        currency=plan.currency,
        quantity=plan.quantity,
        max_per_order=plan.max_per_order,
        payment_link=media_url(PAYMENT_PAGE) if Decimal(plan.price) else None,
        sort_order=number,
        sale_starts_at=_days_from(history.now, plan.opens),
        sale_ends_at=_days_from(history.now, plan.closes),
        created_at=event.created_at,
    )
    history.sell(tier, plan)
    return tier


def _days_from(now: datetime, days: int | None) -> datetime | None:
    """Noon of that day."""
    if days is None:
        return None
    noon = timezone.localtime(now).replace(hour=12, minute=0, second=0, microsecond=0)
    return noon + timedelta(days=days)


def _audit_night(event: Event, admin: User) -> None:
    common = {"entity_type": "event", "entity_id": event.pk, "user": admin}
    AuditLog.objects.create(action="CREATE", new_value={"name": event.name}, created_at=event.created_at, **common)
    if event.status == Event.Status.DELETED:
        deleted_at = event.created_at + timedelta(hours=1)
        AuditLog.objects.create(action="DELETE", old_value={"name": event.name}, created_at=deleted_at, **common)


# --- Today, through the services -------------------------------------------------------------------------------


def _sell_today(events: dict[programme.Night, Event]) -> None:
    """Orders the way guests make them: some paid by a provider's notice, one free, some still waiting."""
    origin.enter(origin.Origin(ip="203.0.113.77", user_agent=programme.BROWSERS[1]))
    rooftop, patio = programme.COMING[:2]
    try:
        for night, tier, guest in (
            (programme.TONIGHT, 0, ("Mateo", "Xicay")),
            (rooftop, 1, ("Renata", "Paz")),
        ):
            order = _place(events[night], tier, guest)
            delivery = deliveries.store_delivery(
                provider=standard.NAME, event_id=notice.new_event_id(), body=notice.paid(order), headers={}
            )
            deliveries.apply_delivery(delivery.pk)
        _place(events[patio], 0, ("Camila", "Barrios"))
        _place(events[programme.TONIGHT], 0, ("Emilio", "Coyoy"))
        _place(events[rooftop], 1, ("Regina", "Solórzano"))
    finally:
        origin.enter(origin.NOWHERE)


def _place(event: Event, tier: int, guest: tuple[str, str]) -> Order:
    first, last = guest
    return checkout.place_order(
        event_id=event.pk,
        tier_id=event.tiers.all()[tier].pk,
        quantity=2,
        buyer_name=f"{first} {last}",
        buyer_email=address(first, last, 7),
        payment_method="card",
        referral_source="instagram",
    )


def _try_the_scanner(order: Order, door: User) -> None:
    """As the door does it before each night: a test order is let in once, and refused the second time."""
    checkin.check_in(checkin.Scan(text=order.order_number, actor=door))
    try:
        checkin.check_in(checkin.Scan(text=order.order_number, actor=door))
    except Refused:
        return
    raise AssertionError("the second scan must be refused")


# --- Galleries -------------------------------------------------------------------------------------------------


def _make_album(night: programme.Night, event: Event, admin: User, *, is_published: bool = True) -> None:
    """An album of the night; one that is not published holds what was left over."""
    captions = list(enumerate(night.album, 1))
    if not is_published:
        captions = captions[:2]
    gallery = Gallery.objects.create(
        title=night.name if is_published else f"{night.name}: second selection",
        description=f"{night.venue}, {night.location}",
        event=event,
        photographer=programme.PHOTOGRAPHERS[len(night.album) % 2],
        cover_image_url=media_url(f"{night.slug}-1.jpg"),
        is_published=is_published,
        created_by=admin,
        created_at=min(event.starts_at + timedelta(days=2), timezone.now()),
    )
    GalleryImage.objects.bulk_create(_image(gallery, night, *numbered) for numbered in captions)


def _image(gallery: Gallery, night: programme.Night, number: int, caption: str) -> GalleryImage:
    name = f"{night.slug}-{number}.jpg"
    return GalleryImage(
        gallery=gallery,
        image_url=media_url(name),
        thumbnail_url=media_url(pictures.thumbnail_of(Path(name)).name),
        caption=caption,
        sort_order=number,
        is_featured=number == 1,
    )


# --- Newsletter --------------------------------------------------------------------------------------------------


def _subscribe(now: datetime) -> None:
    """Most have confirmed, some have not yet, some have left."""
    random = Random(11)
    Subscriber.objects.bulk_create(_subscriber(number, now, random) for number in range(SUBSCRIBERS))


def _subscriber(number: int, now: datetime, random: Random) -> Subscriber:
    first, last = random.choice(programme.FIRST_NAMES), random.choice(programme.LAST_NAMES)
    asked = now - timedelta(days=60) * random.random() - timedelta(hours=1)
    state: dict[str, Any] = {"is_active": True, "confirmed_at": asked + timedelta(minutes=random.randint(1, 50))}
    if number % 9 == 4:
        state = {"is_active": False}
    elif number % 9 == 7:
        state |= {"is_active": False, "unsubscribed_at": asked + (now - asked) * random.random()}
    return Subscriber(email=address(first, last, number + 100), subscribed_at=asked, **state)
