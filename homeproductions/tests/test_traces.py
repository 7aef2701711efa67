import pytest

from homeproductions.traces import FORGOTTEN, Traces

ANA = Traces.of(emails=["Ana@Example.com", None, ""], names=["Ana López", "Al"], phones=["+502 4987-6543", "12"])


@pytest.mark.parametrize(
    "text",
    [
        "ana@example.com",
        "to ANA@EXAMPLE.COM.",
        "?email=ana%40example.com&x",
        "<ana@example.com>",
        "ana  lópez called",
        "call 50249876543",
        "(+502) 4987 6543",
    ],
)
def test_person_is_recognised_in_any_spelling(text):
    assert ANA.are_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "mariana@example.com",
        "ana@example.com.gt",
        "ana@example.community",
        "Diana López",
        "Al",
        "1502498765432",
        "",
        None,
    ],
)
def test_somebody_else_is_not(text):
    assert not ANA.are_in(text)


def test_nobody_is_in_nothing():
    assert not Traces().are_in("ana@example.com")


def test_json_keeps_its_shape_and_loses_the_texts():
    value = {"buyer": {"name": ["Ana López", 3, None], "email": "to ana@example.com"}, "status": "paid"}

    bare = {"buyer": {"name": [FORGOTTEN, 3, None], "email": FORGOTTEN}, "status": "paid"}
    assert ANA.without(value) == bare


def test_keys_and_words_of_ours_stay_whatever_somebody_is_called():
    odd = Traces.of(emails=["a@example.com"], names=["status", "refunded", "the order"], phones=["261123"])
    value = {"status": "refunded", "note": "refunded", "reason": "the order was paid", "order": "HP-261123-X", "n": 1}

    assert odd.without(value, ours={"status", "reason", "order"}) == {**value, "note": FORGOTTEN}
    assert odd.without({"reason": ["for a@example.com"]}, ours={"reason"}) == {"reason": [FORGOTTEN]}


@pytest.mark.parametrize(
    ("text", "is_all"), [("49876543", True), ("+4987-6543", True), ("pa_4987 6543", False), ("", False)]
)
def test_text_that_says_nothing_else(text, is_all):
    assert Traces.of(emails=[], names=[], phones=["4987 6543"]).are_all_of(text) is is_all


def test_two_people_are_known_by_either():
    both = Traces.of(emails=["a@example.com"], names=[], phones=[]) | ANA

    assert both.are_in("a@example.com")
    assert both.are_in("Ana López")
