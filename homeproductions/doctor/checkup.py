"""All checks in order."""

from collections.abc import Callable, Collection

import structlog
from django.db import Error

from . import database, house, outside
from .finding import Finding, Verdict, note, wrong

logger = structlog.get_logger(__name__)

DATABASE = "database"
NEED_NO_DATABASE: dict[str, Callable[[], Finding]] = {
    DATABASE: database.database,
    "mail": outside.mail,
    "webhook": outside.webhook,
    "backups": outside.backups,
    "pages": outside.pages,
    "settings": outside.environment,
}
NEED_THE_DATABASE: dict[str, Callable[[], Finding]] = {
    "migrations": database.migrations,
    "clock": database.clock,
    "admin": house.admin,
    "worker": house.worker,
    "books": house.books,
    "mails": house.mails,
    "money": house.money,
}
NAMES = (
    DATABASE,
    "migrations",
    "clock",
    "mail",
    "webhook",
    "admin",
    "worker",
    "books",
    "mails",
    "money",
    "backups",
    "pages",
    "settings",
)


def examine(names: Collection[str] = NAMES) -> dict[str, Finding]:
    """The findings of these checks, by name. A check that breaks is a finding like any other."""
    findings = {name: _finding(name, NEED_NO_DATABASE[name]) for name in names if name in NEED_NO_DATABASE}
    asked = [name for name in names if name in NEED_THE_DATABASE]
    if asked:
        answer = findings.get(DATABASE) or database.database()
        if answer.verdict == Verdict.WRONG:
            findings |= {DATABASE: answer} | dict.fromkeys(asked, note("Not looked at: see the database."))
        else:
            findings |= {name: _finding(name, NEED_THE_DATABASE[name]) for name in asked}
    return {name: findings[name] for name in NAMES if name in findings}


def _finding(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Error as error:
        return wrong(f"The database refuses to say ({type(error).__name__}).", "Are all migrations applied?")
    except Exception as error:
        logger.exception("a check of the doctor broke", check=name)
        return wrong(f"The check itself broke ({type(error).__name__}).", "The line in the log says where.")
