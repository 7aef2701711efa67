"""Reading a list of addresses that somebody brings: a CSV of any program, or lines that were pasted. Nothing is changed
here; `services.import_addresses` does that with what is new."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from homeproductions.errors import Invalid
from homeproductions.fields import is_email

from . import queries
from .services import IMPORT_MAX

MAX_BYTES = 1024 * 1024
DELIMITERS = (",", ";", "\t")
# Names of columns without their blanks, hyphens and accents, as other programs write them.
EMAIL_COLUMNS = {"email", "emailaddress", "mail", "address", "correo", "correoelectronico", "subscriberemail"}
STATE_COLUMNS = {"state", "status", "estado", "subscriptionstatus"}
# What a column of states says about people who may be written to. Everybody else stays outside.
WILLING = {"", "active", "subscribed", "confirmed", "yes", "true", "1", "activo", "suscrito", "si", "sí"}
ACCENTS = str.maketrans("áéíóú", "aeiou")
# What our own exports put in front of text that a spreadsheet would take for a formula.
SHIELD = re.compile(r"\A'(?=[-+=@])")
NAMED = re.compile(r"[^<>]*<([^<>]*)>")
EXCEL, OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"


@dataclass(frozen=True)
class Wrong:
    """A line that adds nobody, and why."""

    line: int
    text: str
    reason: str


@dataclass
class Preview:
    """What an import would do: whom it adds, whom we know already (by state), and which lines say nothing to us."""

    new: list[str] = field(default_factory=list)
    active: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    wrong: list[Wrong] = field(default_factory=list)


def preview(content: bytes) -> Preview:
    """Read the list and compare it with ours. Raises Invalid with words for people when it cannot be read at all."""
    result = Preview()
    emails = dict.fromkeys(_emails(_rows(_text(content)), result.wrong))
    for refused in result.wrong:  # one line that says they left counts more than another that does not
        emails.pop(refused.text.lower(), None)
    if len(emails) > IMPORT_MAX:
        raise Invalid(f"These are {len(emails)} addresses. Bring at most {IMPORT_MAX} at once.")
    known = queries.states_of(emails)
    for email in emails:
        getattr(result, known.get(email, "new")).append(email)
    return result


def _text(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise Invalid("The file is larger than one megabyte. Bring it in parts.")
    if content.startswith((EXCEL, OLD_EXCEL)):
        raise Invalid("This is an Excel file. Save it there as CSV first.")
    for encoding in ("utf-16",) if content.startswith((b"\xff\xfe", b"\xfe\xff")) else ("utf-8-sig", "cp1252"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text
    raise Invalid("This file holds no text that can be read. Save it as CSV in UTF-8.")


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """The rows that hold something, each with the number of its line."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise Invalid("This file is not a CSV: a quotation mark may be missing in it.") from error
    rows = [(line, row) for line, row in rows if any(row)]
    if not rows:
        raise Invalid("There is nothing in it.")
    return rows


def _emails(rows: list[tuple[int, list[str]]], wrong: list[Wrong]) -> Iterator[str]:
    """The addresses in their stored form; what is none, or may not be written to, goes to `wrong`."""
    header = [_column_name(cell) for cell in rows[0][1]]
    place, state_place = _place(header, EMAIL_COLUMNS), _place(header, STATE_COLUMNS)
    if place is None:
        # Without a header: the column in which the first address stands.
        place, state_place = next((at for at, cell in enumerate(rows[0][1]) if "@" in cell), None), None
        if place is None:
            raise Invalid("There is no column named “E-mail” in it, and no address in its first line.")
        rows = list(_one_a_row(rows, place))
        place = 0
    else:
        rows = rows[1:]
    for line, row in rows:
        text = _bare(_cell(row, place))
        state = _cell(row, state_place)
        if not is_email(text.lower()):
            wrong.append(Wrong(line, text, "not an e-mail address"))
        elif state.lower() not in WILLING:
            wrong.append(Wrong(line, text, f"the list says “{state[:50]}”"))
        else:
            yield text.lower()


def _one_a_row(rows: list[tuple[int, list[str]]], place: int) -> Iterator[tuple[int, list[str]]]:
    """Lines without a header may name several people, as in the head of a mail."""
    for line, row in rows:
        for text in [cell for cell in row if "@" in cell] or [_cell(row, place)]:
            yield line, [text]


def _bare(text: str) -> str:
    """`Ana <ana@example.com>` as the address alone."""
    named = NAMED.fullmatch(text)
    return named[1].strip() if named else SHIELD.sub("", text)


def _place(header: Sequence[str], names: Iterable[str]) -> int | None:
    return next((at for at, name in enumerate(header) if name in names), None)


def _cell(row: list[str], place: int | None) -> str:
    return row[place] if place is not None and place < len(row) else ""


def _column_name(text: str) -> str:
    return re.sub(r"[^a-z]", "", text.lower().translate(ACCENTS))
