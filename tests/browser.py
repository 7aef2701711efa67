"""A real Chromium against the real server, under the headers of production. Whatever a page complains about on the
console (a script or style that the CSP stops, a file that is missing) fails the test."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.db import connections
from django.test import Client
from playwright.sync_api import Page, sync_playwright

from accounts.models import User
from tests.outside import program
from tests.processes import web_server

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
SERIOUS = ("serious", "critical")


@dataclass
class Visitor:
    """Somebody at a browser. `open` takes a path; `page` is Playwright's own."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        response = self.page.goto(self.address + path)
        assert response is not None
        assert response.status < 400, f"{path}: {response.status}"
        return self.page

    def sign_in(self, user: User) -> None:
        """With a session as the sign-in page would make it."""
        client = Client()
        client.force_login(user)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME]
        self.page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": self.address}])

    def press(self, name: str) -> None:
        """The button or link of that name."""
        self.page.get_by_role("button", name=name, exact=True).or_(
            self.page.get_by_role("link", name=name, exact=True)
        ).first.click()

    def barriers(self) -> list[str]:
        """What axe-core calls a serious obstacle on the page as it is now, for somebody who cannot see or point."""
        # Without fetching style sheets once more: axe would put them into the page, which our headers forbid.
        found = Axe().run(self.page, options={"preload": False}).response["violations"]
        return [
            f"{each['id']}: {node['html'][:120]}"
            for each in found
            if each["impact"] in SERIOUS
            for node in each["nodes"]
        ]

    def note(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


@contextmanager
def visiting(application: str = "homeproductions.wsgi", **variables: str) -> Iterator[Visitor]:
    """A visitor to a server of its own, run with these variables. Needs a test that commits (`transactional_db`)."""
    with web_server(application, workers=1, **variables) as address, browsing(address) as visitor:
        yield visitor


@contextmanager
def browsing(address: str) -> Iterator[Visitor]:
    """A visitor to the server at this address; fails afterwards if a page complained."""
    browser_path = program(*PROGRAMS)
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with pytest.MonkeyPatch.context() as patch:
        # Playwright waits in an event loop of its own, so Django takes the test itself for asynchronous.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path, args=arguments)
            visitor = Visitor(browser.new_context(viewport=DESK, locale="en").new_page(), address)
            visitor.page.on("console", visitor.note)
            visitor.page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
            yield visitor
            browser.close()
            connections.close_all()  # the loop has some of its own
        assert visitor.complaints == []


@pytest.fixture
def visitor(transactional_db: None, shared_server: str) -> Iterator[Visitor]:
    with browsing(shared_server) as somebody:
        yield somebody
