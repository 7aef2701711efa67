"""Files for the office: what a spreadsheet gets to see."""

import csv
import io
import os
import tempfile
import tracemalloc
from datetime import UTC, date, datetime, time
from decimal import Decimal

import openpyxl
import pytest
from django.core.signals import request_finished
from django.db import close_old_connections

from homeproductions.office.exports import stream_csv, stream_xlsx

HEADER = ["Guest", "Total"]
FORMULAS = [
    "=1+1",
    "+502 5555 1234",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "  =1+1",
    "\x00=1+1",
    '=HYPERLINK("http://evil.example","click")',
    "\uff1d1+1",
]
HARMLESS = ["Lucía Pérez", "O'Brien, Zoë", "a=b", "12-14", "ana@example.com", "first line\nsecond line", "", "😀"]


def read_csv(response):
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


def read_xlsx(response):
    sheet = openpyxl.load_workbook(io.BytesIO(b"".join(response.streaming_content))).active
    return list(sheet.iter_rows())


@pytest.mark.parametrize("text", FORMULAS)
def test_text_that_looks_like_a_formula_is_shown_as_text(text):
    [_, [in_csv, _]] = read_csv(stream_csv("guests", HEADER, [[text, 1]]))
    [_, [in_xlsx, _]] = read_xlsx(stream_xlsx("guests", HEADER, [[text, 1]]))

    assert (in_csv[0], in_xlsx.value[0], in_xlsx.data_type) == ("'", "'", "s")


@pytest.mark.parametrize("text", HARMLESS)
def test_other_text_stays_as_it_is(text):
    [_, [in_csv, _]] = read_csv(stream_csv("guests", HEADER, [[text, 1]]))
    [_, [in_xlsx, _]] = read_xlsx(stream_xlsx("guests", HEADER, [[text, 1]]))

    assert (in_csv, in_xlsx.value or "") == (text, text)


@pytest.mark.parametrize("text", ["Ana;=1+1", "Ana; +1", "Ana\n=1+1", "Ana\t@x"])
def test_where_the_semicolon_separates_no_formula_begins_inside_a_cell(text):
    written = b"".join(stream_csv("guests", HEADER, [["HP1", text]]).streaming_content).decode("utf-8-sig")

    cells = [cell for row in csv.reader(io.StringIO(written), delimiter=";") for cell in row]
    assert [cell for cell in cells if cell.strip()[:1] in ("=", "+", "@")] == []


def test_column_names_are_no_formulas_either():
    assert read_csv(stream_csv("guests", ["=1+1"], [])) == [["'=1+1"]]
    assert read_xlsx(stream_xlsx("guests", ["=1+1"], []))[0][0].value == "'=1+1"


def test_numbers_stay_numbers():
    numbers = [Decimal("-51.00"), Decimal("1E+3"), -2, 0]

    assert read_csv(stream_csv("sums", ["a"] * 4, [numbers]))[1] == ["-51.00", "1000.00", "-2", "0"]
    cells = read_xlsx(stream_xlsx("sums", ["a"] * 4, [numbers]))[1]
    assert [(cell.value, cell.data_type) for cell in cells] == [(-51, "n"), (1000, "n"), (-2, "n"), (0, "n")]
    assert cells[0].number_format == "0.00"


def test_moments_are_on_the_house_s_clock(settings):
    settings.TIME_ZONE = "America/Guatemala"
    row = [datetime(2026, 12, 1, 3, 4, 5, 6, tzinfo=UTC), date(2026, 12, 1), time(21, 30), date(1, 1, 1), None, True]

    [_, in_csv] = read_csv(stream_csv("days", ["a"] * 6, [row]))
    [_, in_xlsx] = read_xlsx(stream_xlsx("days", ["a"] * 6, [row]))

    assert in_csv == ["2026-11-30 21:04:05", "2026-12-01", "21:30:00", "0001-01-01", "", "yes"]
    assert [cell.value for cell in in_xlsx] == [
        datetime.fromisoformat("2026-11-30 21:04:05"),
        datetime.fromisoformat("2026-12-01 00:00:00"),
        time(21, 30),
        "0001-01-01",
        None,
        "yes",
    ]


@pytest.mark.parametrize(("stream", "ending"), [(stream_csv, "csv"), (stream_xlsx, "xlsx")])
def test_the_answer_is_a_download_that_nobody_keeps(stream, ending):
    response = stream('list of "Zoë"', HEADER, [])

    assert response.headers["Content-Disposition"].startswith("attachment; ")
    assert response.headers["Content-Disposition"].endswith(f"%22.{ending}")
    assert response.headers["Cache-Control"] == "no-store"


def test_an_ending_is_not_written_twice():
    named = stream_csv("guests.csv", HEADER, []).headers["Content-Disposition"]

    assert named == 'attachment; filename="guests.csv"'


def test_a_csv_starts_before_its_last_row_is_known():
    asked = []

    def rows():
        for number in range(5_000):
            asked.append(number)
            yield [f"guest {number}", number]

    content = iter(stream_csv("guests", HEADER, rows()).streaming_content)

    assert next(content).startswith("\ufeffGuest,Total\r\n".encode())
    assert len(asked) < 2_000


@pytest.fixture
def without_database():
    """Closing an answer also closes connections; there is none that this test may touch."""
    request_finished.disconnect(close_old_connections)
    yield
    request_finished.connect(close_old_connections)


@pytest.mark.parametrize("started", [True, False])
def test_a_client_that_goes_away_ends_the_reading(started, without_database):
    ended = []

    def rows():
        try:
            for number in range(5_000):
                yield ["guest", number]
        finally:
            ended.append("rows")

    response = stream_csv("guests", HEADER, rows())
    if started:
        next(iter(response.streaming_content))
    response.close()

    assert ended == (["rows"] if started else [])


def test_an_excel_file_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen = []

    def rows(fail):
        yield ["Lucía", 1]
        seen.append(len(os.listdir(tmp_path)))
        yield ["Ana", 1 / (not fail)]

    with pytest.raises(ZeroDivisionError):
        stream_xlsx("guests", HEADER, rows(fail=True))
    response = stream_xlsx("guests", HEADER, rows(fail=False))

    assert os.listdir(tmp_path) == []
    assert len(read_xlsx(response)) == 3
    assert min(seen) > 0  # it was written here


# --- Memory ---------------------------------------------------------------------------------------------------

MANY, COLUMNS = 8_000, 10


def many_rows():
    return ([f"guest {number} {place}" for place in range(COLUMNS)] for number in range(MANY))


def peak(work):
    """The most megabytes that the work held at once."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("stream", [stream_csv, stream_xlsx])
def test_a_file_is_never_in_memory_as_a_whole(stream):
    def export():
        assert sum(len(part) for part in stream("guests", HEADER, many_rows()).streaming_content) > 2**18

    assert peak(export) < 3
    assert peak(lambda: list(many_rows())) > 5  # the control: so much it would be
