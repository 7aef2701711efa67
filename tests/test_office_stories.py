"""What people do in the office, done in a real browser."""

import pytest
from playwright.sync_api import expect

from accounts.models import User
from tests.browser import visitor  # noqa: F401  (a fixture)

PASSWORD = "let me in, please"


@pytest.mark.real_bcrypt
def test_sign_in_and_out(visitor):  # noqa: F811
    User.objects.create_user("ana@example.com", PASSWORD, name="Ana", role="admin")

    page = visitor.open("/admin/")
    page.get_by_label("Email").fill("ana@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    visitor.press("Log in")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()

    visitor.press("Log out")
    expect(visitor.open("/admin/").get_by_label("Password")).to_be_visible()
