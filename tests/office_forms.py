"""Reads a form of the office as a browser would, so that a test posts what a person would have sent."""

from html.parser import HTMLParser
from typing import Any


class _Fields(HTMLParser):
    """The fields of one form of a page with the values that they have now. Disabled ones are not sent."""

    def __init__(self, form_id: str) -> None:
        super().__init__()
        self.form_id = form_id
        self.values: dict[str, str] = {}
        self.inside = False
        self.select = self.textarea = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "form":
            self.inside = given.get("id") == self.form_id
        name = given.get("name")
        if self.inside and name and "disabled" not in given and "__prefix__" not in name:
            self._take(tag, name, given)
        if self.inside and tag == "option" and "selected" in given and self.select:
            self.values[self.select] = given.get("value") or ""

    def _take(self, tag: str, name: str, given: dict[str, str | None]) -> None:
        kind = given.get("type", "text")
        if tag == "select":
            self.select, self.values[name] = name, ""
        elif tag == "textarea":
            self.textarea, self.values[name] = name, ""
        elif tag == "input" and kind not in ("submit", "file") and (kind != "checkbox" or "checked" in given):
            self.values[name] = given.get("value") or ("on" if kind == "checkbox" else "")

    def handle_data(self, data: str) -> None:
        if self.textarea:
            self.values[self.textarea] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self.textarea:
            self.values[self.textarea] = self.values[self.textarea].removeprefix("\n")
            self.textarea = ""
        elif tag == "select":
            self.select = ""
        elif tag == "form":
            self.inside = False


def fields_of(response: Any, form_id: str) -> dict[str, str]:
    fields = _Fields(form_id)
    fields.feed(response.content.decode())
    assert fields.values, f"there is no form {form_id!r} on the page"
    return fields.values
