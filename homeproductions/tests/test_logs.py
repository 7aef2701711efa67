import pytest

from homeproductions.logs import scrub


@pytest.mark.parametrize(
    ("text", "logged"),
    [
        ("GET /api/orders/HP261123-4K7Q0ZPA", "GET /api/orders/HP261123-4K7Q0ZPA"),
        ("refused <lucia@example.com>", "refused <***>"),
        ("Key (email)=(a.b+c@example.co.uk) exists", "Key (email)=(***) exists"),
        ("/x/lucia%40example.com/y", "/x/***/y"),
        ('{"qr":"0123456789abcdef0123456789ABCDEF"}', '{"qr":"***"}'),
        ("/newsletter/confirm/eyJpZCI6MX0:1abc." + "x" * 43 + "/", "/newsletter/confirm/eyJpZCI6MX0:***/"),
        ("GET /orders/" + "aB-_" * 10 + "aB0/qr.png", "GET /orders/***/qr.png"),
        ("GET /orders/x" + "aB-_" * 10 + "aB0=/", "GET /orders/***/"),
        ("GET /orders/%20" + "aB-_" * 10 + "aB0.", "GET /orders/***"),
        ("refused {'token': '" + "aB-_" * 10 + "aB0'}", "refused {'token': '***'}"),
    ],
)
def test_personal_data_codes_and_tokens_are_hidden(text, logged):
    assert scrub(None, "info", {"event": text, "code": 200}) == {"event": logged, "code": 200}
