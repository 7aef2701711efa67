"""Finding an order by what a guest says: a number, a name in any spelling, an address, a telephone number."""

import re

from django.db.models import CharField, Q, QuerySet, Transform
from django.db.models.functions import Lower

from events.queries import as_uuid

from .models import Order
from .queries import normal_number

# `unaccent` would be an extension of the database. These are the letters of the names we meet.
ACCENTED, BARE = "áàâäãåéèêëíìîïóòôöõúùûüñç", "aaaaaaeeeeiiiiooooouuuunc"
NUMBER = re.compile(r"HP\d{6}(-[0-9A-Z]*)?")
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
PHONE = re.compile(r"[\d\s()+./-]+")
SHORTEST_PHONE = 4


@CharField.register_lookup
class Plain(Transform):
    """`buyer_name__plain`: in small letters and without accents, as `plain` makes what is looked for."""

    lookup_name = "plain"
    template = f"translate(lower(%(expressions)s), '{ACCENTED}', '{BARE}')"


@CharField.register_lookup
class Digits(Transform):
    """`buyer_phone__digits`: however people write a telephone number."""

    lookup_name = "digits"
    template = r"regexp_replace(%(expressions)s, '\D', '', 'g')"


def plain(text: str) -> str:
    return text.lower().translate(str.maketrans(ACCENTED, BARE))


def find(orders: QuerySet[Order], text: str, *, with_contacts: bool) -> QuerySet[Order]:
    """The orders among these that somebody may mean. Addresses and telephone numbers are looked at only for those who
    may see them. Numbers and whole addresses are found by an index."""
    text = text.strip()
    number, order_id = normal_number(text), as_uuid(text.lower())
    if order_id is not None:
        return orders.filter(pk=order_id)
    if NUMBER.fullmatch(number):
        return orders.filter(order_number__startswith=number)
    if with_contacts and ADDRESS.fullmatch(text):
        address = text.lower()
        orders = orders.alias(address=Lower("buyer_email"), corrected=Lower("corrected_email"))
        return orders.filter(Q(address=address) | Q(corrected=address, corrected_email__isnull=False))
    if with_contacts and PHONE.fullmatch(text) and len(digits := re.sub(r"\D", "", text)) >= SHORTEST_PHONE:
        return orders.filter(Q(buyer_phone__digits__contains=digits) | Q(order_number__contains=digits))
    for word in text.split():
        orders = orders.filter(_has(word, with_contacts=with_contacts))
    return orders


def _has(word: str, *, with_contacts: bool) -> Q:
    found = Q(buyer_name__plain__contains=plain(word)) | Q(order_number__contains=word.upper())
    if with_contacts:
        found |= Q(buyer_email__icontains=word) | Q(corrected_email__icontains=word) | Q(payment_reference=word)
    return found
