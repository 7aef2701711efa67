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
    value = {"buyer": {"ana@example.com": ["Ana López", 3, None]}, "status": "paid"}

    assert ANA.without(value) == {"buyer": {FORGOTTEN: [FORGOTTEN, 3, None]}, "status": "paid"}
