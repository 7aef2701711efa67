"""Files that the office takes away: rows as CSV or for Excel, written a few at a time, so that a whole season never
lies in memory.

Text is text and numbers are numbers. What guests type reaches these files, and a spreadsheet runs text that looks
like a formula: such text gets an apostrophe in front, which makes every spreadsheet show it as it is.
"""

import csv
import io
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet
from django.http import FileResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.http import content_disposition_header
from import_export.fields import Field
from import_export.resources import Resource
from import_export.widgets import Widget
from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

Row = TypeVar("Row", bound=Model)
Rows = Iterable[Sequence[Any]]
# What is ready for a file: text that is safe, a number, a moment on the house's clock, or nothing.
Cell = str | int | float | Decimal | datetime | date | time | None

ROWS_AT_ONCE = 1_000
SHEET_ROWS = 1_048_576  # of Excel, the header included
# A spreadsheet takes text for a formula by its first sign (some read the wide forms as well). Where its separator is
# not the comma, as in half of Latin America, a cell of a CSV also begins after a semicolon or a line break in it.
SIGNS = "[-=+@\uff1d\uff0b\uff0d\uff20]"
FORMULA = re.compile(rf"\A(?=\s*{SIGNS}|[\t\r\n])|(?<=[;\t\r\n])(?= *{SIGNS})")
# Neither XML nor a spreadsheet can hold these.
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
BYTE_ORDER_MARK = "\ufeff"  # without it Excel takes the letters of a CSV for another alphabet
FIRST_EXCEL_YEAR = 1900
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


# --- Cells ----------------------------------------------------------------------------------------------------


def cell(value: Any) -> Cell:
    """The value as a file may hold it."""
    match value:
        case None:
            return None
        case bool():
            return "yes" if value else "no"
        case datetime():
            local = timezone.localtime(value) if timezone.is_aware(value) else value
            return local.replace(microsecond=0, tzinfo=None)
        case int() | float() | Decimal() | date() | time():
            return value
    return safe_text(str(value))


def safe_text(text: str) -> str:
    """The text, printable, and no formula for any spreadsheet; blanks in front do not hide one."""
    return FORMULA.sub("'", UNPRINTABLE.sub("", text))


# --- Files ----------------------------------------------------------------------------------------------------


def stream_csv(filename: str, header: Sequence[str], rows: Rows) -> StreamingHttpResponse:
    """A download that starts with the first rows, while the others are still being read."""
    response = StreamingHttpResponse(_csv(header, rows), content_type="text/csv; charset=utf-8")
    return _as_download(response, filename, ".csv")


def stream_xlsx(filename: str, header: Sequence[str], rows: Rows) -> FileResponse:
    """A download of a finished file: an Excel file cannot be sent before its last row is known. It is written to the
    disk row by row, into files without a name or in a folder of its own, gone with the answer or with an error."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 (the answer closes it)
    try:
        _write_xlsx(file, header, rows)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return _as_download(FileResponse(file, content_type=XLSX), filename, ".xlsx")


FORMATS: dict[str, Callable[[str, Sequence[str], Rows], HttpResponseBase]] = {"csv": stream_csv, "xlsx": stream_xlsx}


def _as_download(response: Any, filename: str, ending: str) -> Any:
    filename = filename if filename.endswith(ending) else filename + ending
    response.headers["Content-Disposition"] = content_disposition_header(True, filename)
    response.headers["Cache-Control"] = "no-store"
    return response


def _csv(header: Sequence[str], rows: Rows) -> Iterator[bytes]:
    text = io.StringIO(newline="")
    text.write(BYTE_ORDER_MARK)
    writer = csv.writer(text)
    writer.writerow([safe_text(name) for name in header])
    with closing(_iterate(rows)) as waiting:
        while batch := list(islice(waiting, ROWS_AT_ONCE)):
            writer.writerows([_in_csv(cell(value)) for value in row] for row in batch)
            yield _emptied(text)
    yield _emptied(text)  # the header, when there was no row


def _iterate(rows: Rows) -> Any:
    """As a generator, whose `close` reaches the one below: when the client goes away, that is told at once."""
    yield from rows


def _emptied(text: io.StringIO) -> bytes:
    written = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return written


def _in_csv(value: Cell) -> Any:
    match value:
        case Decimal():
            return f"{value:.2f}"  # all of them are money
        case datetime():
            return value.isoformat(" ")
    return value


def _write_xlsx(file: Any, header: Sequence[str], rows: Rows) -> None:
    with (
        tempfile.TemporaryDirectory() as scratch,
        Workbook(file, {"constant_memory": True, "tmpdir": scratch}) as book,
    ):
        sheet = book.add_worksheet()
        formats = {kind: book.add_format({"num_format": pattern}) for kind, pattern in PATTERNS.items()}
        sheet.freeze_panes(1, 0)
        for column, name in enumerate(header):
            sheet.set_column(column, column, max(12, len(name) + 3))
            sheet.write_string(0, column, safe_text(name), book.add_format({"bold": True}))
        for number, row in enumerate(rows, start=1):
            for column, value in enumerate(row):
                _write_cell(sheet, number, column, cell(value), formats)


PATTERNS = {Decimal: "0.00", datetime: "yyyy-mm-dd hh:mm", date: "yyyy-mm-dd", time: "hh:mm"}


def _write_cell(sheet: Worksheet, row: int, column: int, value: Cell, formats: dict[Any, Any]) -> None:
    """Each kind by its own method: the one for all kinds would look for formulas and links in text."""
    match value:
        case None:
            return
        case str():
            sheet.write_string(row, column, value)
        case date() if value.year < FIRST_EXCEL_YEAR:
            sheet.write_string(row, column, str(value))
        case date() | time():
            sheet.write_datetime(row, column, value, formats[type(value)])
        case _:
            sheet.write_number(row, column, value, formats.get(type(value)))


# --- Columns and rows -----------------------------------------------------------------------------------------


class AsItIs(Widget):
    """Numbers and moments stay what they are; how they are written is up to the file."""

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> Any:
        return value


def column(attribute: str | None, name: str) -> Field:
    """A column of a Resource: what it shows (`event__name`; None when a `dehydrate_` method says it), and its name."""
    return Field(attribute=attribute, column_name=name, widget=AsItIs())


@dataclass(frozen=True)
class Table:
    """What a file will hold: its columns, how many rows there are now, and the rows, read when they are written."""

    header: list[str]
    count: int
    rows: Rows

    @classmethod
    def of(cls, resource: type[Resource], rows: Iterable[Any], count: int) -> "Table":
        # Looked up once: `export_resource` would do it for every row, which takes longer than reading them.
        columns = resource()
        fields = columns.get_export_fields()
        cells = ([columns.export_field(each, row) for each in fields] for row in rows)
        return cls([each.column_name for each in fields], count, cells)


def newest_first(rows: QuerySet[Row], moment: str) -> Iterator[Row]:
    """All rows, those with the latest `moment` first, read in pieces that are a query each.

    Nothing is held between two pieces, neither a transaction nor a cursor (a pooler in front of the database may not
    have any), and what is added meanwhile shifts nothing: it is newer than where the reading stands.
    """
    rows = piece = rows.order_by(f"-{moment}", "-pk")
    while found := list(piece[:ROWS_AT_ONCE]):
        yield from found
        last = found[-1]
        when = getattr(last, moment)
        # The first condition alone says it; the second is what an index can follow.
        rest = Q(**{f"{moment}__lt": when}) | Q(pk__lt=last.pk)
        piece = rows.filter(rest, **{f"{moment}__lte": when})


def on_days(moment: str, first: date | None, last: date | None) -> Q:
    """The condition that `moment` lies on these days of the house's calendar, the first and the last included."""
    condition = Q()
    if first:
        condition &= Q(**{f"{moment}__gte": _midnight(first)})
    if last:
        condition &= Q(**{f"{moment}__lt": _midnight(last + timedelta(days=1))})
    return condition


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))
