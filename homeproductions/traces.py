"""The texts by which a person is recognised, and how they are found in, and taken out of, what is stored."""

import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

FORGOTTEN = "(forgotten)"
# A short first name stands in half of all texts, and four digits in most.
NAME_MIN_LENGTH = 6
PHONE_MIN_DIGITS = 6
# Between the letters of a text as it may be written elsewhere: as it is, as %40, or as \u0040 in JSON in a dump.
BETWEEN = ".{1,14}"
SPACE, NO_DIGIT = r"\s+", r"\D{0,3}"
WORD = re.compile(r"[a-z0-9]+")
ESCAPED = re.compile(r"\\+u([0-9a-fA-F]{4})")


@dataclass(frozen=True)
class Traces:
    """Addresses in small letters, full names and telephone numbers of one person.

    A guest is called as they please, also `status` or `payment`: look for a person in rows that are about them, or for
    their `addresses` only.
    """

    emails: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()

    @classmethod
    def of(cls, *, emails: Iterable[str | None], names: Iterable[str | None], phones: Iterable[str | None]) -> Self:
        """Without what is empty, and without what is too short to mean one person."""
        known = (
            frozenset(text.strip() for text in texts if text and text.strip()) for texts in (emails, names, phones)
        )
        addresses, titles, numbers = known
        return cls(
            frozenset(address.lower() for address in addresses),
            frozenset(name for name in titles if is_telling(name)),
            frozenset(phone for phone in numbers if len(_digits(phone)) >= PHONE_MIN_DIGITS),
        )

    def __or__(self, other: Self) -> Self:
        return type(self)(self.emails | other.emails, self.names | other.names, self.phones | other.phones)

    @cached_property
    def addresses(self) -> Self:
        """Without names and telephones: nobody's address is a word or a number of ours."""
        return type(self)(self.emails)

    @cached_property
    def folded(self) -> Self:
        """The same as they stand in texts that are `folded`."""
        return type(self)(*(frozenset(map(folded, texts)) for texts in (self.emails, self.names, self.phones)))

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        # The ends matter: mariana@example.com is not ana@example.com.
        parts = [rf"(?<![\w.+-]){_address(email)}(?![\w-]|\.\w)" for email in self.emails]
        parts += [rf"(?<!\w){SPACE.join(map(re.escape, name.split()))}(?!\w)" for name in self.names]
        parts += [rf"(?<!\d){NO_DIGIT.join(_digits(phone))}(?!\d)" for phone in self.phones]
        return re.compile("|".join(parts), re.IGNORECASE) if parts else None

    def are_in(self, text: str | None) -> bool:
        return bool(text and self._pattern and self._pattern.search(text))

    def are_all_of(self, text: str) -> bool:
        """Whether the text says nothing else."""
        return self.are_in(text) and not re.search(r"\w", self._pattern.sub("", text) if self._pattern else text)

    def without(self, value: Any, *, ours: Collection[str] = ()) -> Any:
        """The same JSON value, with `(forgotten)` for each text that holds one of them. Keys stay as they are; what
        stands under those of `ours` is our own word, and loses addresses only."""
        match value:
            case str():
                return FORGOTTEN if self.are_in(value) else value
            case dict():
                return {
                    name: (self.addresses if name in ours else self).without(each, ours=ours)
                    for name, each in value.items()
                }
            case list():
                return [self.without(each, ours=ours) for each in value]
        return value


NOBODY = Traces()


def is_telling(name: str) -> bool:
    """Whether a name is long enough to mean one person rather than any text that it stands in."""
    return len(name) >= NAME_MIN_LENGTH or " " in name.strip()


def loosely(text: str) -> str:
    """A regular expression, PostgreSQL's too, that finds the text in any of its spellings (as BETWEEN says), and a few
    things more: whoever uses it looks again."""
    return BETWEEN.join(WORD.findall(text.lower()))


def folded(text: str) -> str:
    """Without accents and case."""
    if text.isascii():
        return text.casefold()
    signs = unicodedata.normalize("NFKD", text.casefold())
    return "".join(sign for sign in signs if not unicodedata.combining(sign)).casefold()


def said_in(stored: bytes | str) -> str:
    """All texts of what may be JSON, one a line, as they were before JSON wrote them."""
    try:
        text = "\n".join(_texts(json.loads(stored)))
    except (ValueError, RecursionError):
        text = stored if isinstance(stored, str) else stored.decode(errors="replace")
    # What breaks off is no JSON, and a text may be JSON itself.
    return ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for each in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from _texts(each)
    else:
        yield str(value)


def _address(email: str) -> str:
    return re.escape(email).replace("@", "(?:@|%40)")


def _digits(phone: str) -> str:
    return re.sub(r"\D", "", phone)
