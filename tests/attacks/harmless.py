"""What is looked at in pages, answers, files, mails and calendars that show hostile texts: nothing in them is markup, a
header of its own, or a formula. A hostile text has MARK in it wherever it may."""

import csv
import email
import io
import json
from email import policy
from html.parser import HTMLParser

import openpyxl

MARK = "x-attack"
PLAIN_HEADERS = {"x-outbox-id", "message-id", "from", "to", "subject", "reply-to", "date", "mime-version"}
PLAIN_HEADERS |= {"content-type", "content-transfer-encoding", "list-unsubscribe", "list-unsubscribe-post"}
RUN = ("javascript:", "data:text", "vbscript:")
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


class Markup(HTMLParser):
    """What a browser would make of a page: elements, attributes, scripts and where links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.in_script = False

    def handle_starttag(self, tag, attributes):
        self.in_script = tag in ("script", "style")
        for name, value in attributes:
            leads = "".join((value or "").split()).lower()  # browsers leave out what is blank, in the middle too
            if name in ("href", "src", "action", "formaction") and leads.startswith(RUN):
                self.found.append(f"{name} leads to {leads[:40]}")
            if MARK in name or name.startswith("on"):
                self.found.append(f"attribute {name} of {tag}")
        if MARK in tag:
            self.found.append(f"element {tag}")

    def handle_endtag(self, tag):
        self.in_script = False

    def handle_data(self, data):
        if self.in_script and MARK in data:
            self.found.append("script")


def executed(html: str) -> list[str]:
    page = Markup()
    page.feed(html)
    return page.found


def check_answer(path: str, answer) -> None:
    assert answer.status_code < 500, (path, answer.status_code)
    assert not [name for name in answer.headers if MARK in name.lower()], path
    assert not any("\n" in value or "\r" in value for value in answer.headers.values()), path
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    if kind == "text/html":
        assert executed(content.decode()) == [], path
    elif kind == "application/json" or kind.endswith("+json"):
        json.loads(content)
        assert answer["X-Content-Type-Options"] == "nosniff"
    elif kind == "text/csv":
        check_csv(content.decode("utf-8-sig"))
    elif "spreadsheet" in kind:
        check_xlsx(content)


def check_csv(text: str) -> None:
    """As spreadsheets read it: by commas, and where a semicolon separates."""
    for row in csv.reader(io.StringIO(text, newline="")):
        assert not [cell for cell in row if is_formula(cell)], row
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=";"):
        assert not [cell for cell in row[1:] if is_formula(cell)], row


def is_formula(cell: str) -> bool:
    is_number = cell.replace(".", "", 1).removeprefix("-").isdigit()
    return cell.lstrip(" ").startswith(FORMULA_SIGNS) and not is_number


def check_xlsx(content: bytes) -> None:
    book = openpyxl.load_workbook(io.BytesIO(content))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert not [cell.value for cell in cells if cell.data_type == "f" or cell.hyperlink]


def check_mail(message) -> None:
    """One recipient, no header that is not ours, and no markup but ours in its text."""
    sent = email.message_from_bytes(message.message().as_bytes(), policy=policy.default)
    names = {name.lower() for name in sent}
    assert names <= PLAIN_HEADERS, names - PLAIN_HEADERS
    assert len(sent["To"].addresses) == len(sent["From"].addresses) == 1
    for part in sent.walk():
        assert not [name for name in part if MARK in name.lower()]
        if part.get_content_type() == "text/html":
            assert executed(part.get_content()) == []
        if part.get_content_type() == "text/calendar":
            check_calendar(part.get_content())


def check_calendar(text: str) -> None:
    lines = text.replace("\r\n ", "").replace("\n ", "").split("\n")
    lines = [line.strip("\r") for line in lines]
    assert lines.count("BEGIN:VEVENT") == 1
    assert not [line for line in lines if line.lower().startswith(MARK)]
