"""Finding orders by what guests say, and by whom they may be found."""

import pytest

from orders import search
from orders.models import Order
from tests.factories import make_order

pytestmark = pytest.mark.django_db


@pytest.fixture
def order():
    make_order(buyer_name="Somebody Else", buyer_email="else@example.com", buyer_phone="+1 202 555 0100")
    return make_order(
        order_number="HP250314-4K7Q0ZPA",
        status="paid",
        buyer_name="José Ángel Muñoz",
        buyer_email="Jose.Munoz@Example.com",
        corrected_email="jose@example.org",
        buyer_phone="+502 5555-0123",
        payment_reference="pay_77",
    )


def found(text, *, with_contacts=True):
    return list(search.find(Order.objects.all(), text, with_contacts=with_contacts))


@pytest.mark.parametrize(
    "text",
    [
        "HP250314-4K7Q0ZPA",
        " hp250314-4k7 ",
        "HP250314",
        "hp2503144k7q0zpa",
        "4K7Q0ZPA",
        "jose munoz",
        "Muñoz, José".replace(",", ""),
        "MUÑOZ",
        "angel",
    ],
)
def test_number_and_name_are_found_in_any_spelling(order, text):
    assert found(text) == found(text, with_contacts=False) == [order]


@pytest.mark.parametrize(
    "text",
    [
        "jose.munoz@example.com",
        "JOSE@example.org",
        "munoz@exam",
        "5555 0123",
        "(502) 5555",
        "55550123",
        "pay_77",
    ],
)
def test_contacts_are_found_only_by_those_who_may_see_them(order, text):
    assert found(text) == [order]
    assert found(text, with_contacts=False) == []


def test_id_is_found(order):
    assert found(str(order.pk)) == found(str(order.pk), with_contacts=False) == [order]


@pytest.mark.parametrize("text", ["%", "_", "\\", "'", "nobody", "HP250314-XXXX", "jose pérez", "\u0130"])
def test_others_are_not_found(order, text):
    assert found(text) == []


def test_corrected_address_of_nobody_is_found_by_no_empty_text(order):
    assert len(found("  ")) == 2
