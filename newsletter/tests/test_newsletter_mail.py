"""What arrives, and what a mail program can do with it."""

from datetime import timedelta

import pytest
from constance import config

from homeproductions.mail.delivery import compose
from homeproductions.mail.models import OutboxEmail
from newsletter import links, services
from newsletter.models import Subscriber
from newsletter.queries import CONFIRM_WITHIN

from .conftest import EMAIL, make_subscriber

pytestmark = pytest.mark.django_db


def queued_confirmation():
    services.subscribe(email=EMAIL)
    return OutboxEmail.objects.get()


def token_in(url):
    return url.split("/")[-2]


def test_confirmation_brings_its_link(arriving, settings):
    settings.PUBLIC_URL = "https://tickets.example"
    email = queued_confirmation()

    [message] = arriving()

    [html] = message.alternatives
    [link] = [line for line in message.body.splitlines() if "/newsletter/confirm/" in line]
    assert (message.to, message.subject) == ([EMAIL], "Please confirm your subscription")
    assert link.startswith("https://tickets.example/newsletter/confirm/")
    assert f'href="{link}"' in html.content
    assert links.read_confirm_token(token_in(link))[1] == email.created_at


@pytest.mark.parametrize("kind", ["confirmation", "unsubscribe"])
def test_every_mail_can_be_unsubscribed_from_with_one_click(arriving, settings, kind):
    settings.PUBLIC_URL = "https://tickets.example"
    subscriber = make_subscriber("waiting" if kind == "confirmation" else "active")
    ask = services.subscribe if kind == "confirmation" else services.ask_to_unsubscribe
    ask(email=EMAIL)

    [message] = arriving()

    headers = message.message()
    assert headers["List-Unsubscribe"] == f"<{links.unsubscribe_url(subscriber.pk)}>"
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert links.unsubscribe_url(subscriber.pk) in message.body
    assert links.unsubscribe_url(subscriber.pk).startswith("https://tickets.example/newsletter/unsubscribe/")


def test_mail_is_the_same_at_every_attempt():
    email = queued_confirmation()

    first, second = compose(email), compose(email)

    assert (first.body, first.alternatives) == (second.body, second.alternatives)


def test_name_of_the_site_is_escaped_in_html():
    config.site_name = "<b>House & Home</b>"

    message = compose(queued_confirmation())

    assert "&lt;b&gt;House &amp; Home&lt;/b&gt;" in message.alternatives[0].content
    assert "<b>House & Home</b>" in message.body


def test_confirmation_without_purpose_is_not_sent(arriving):
    email = queued_confirmation()
    token = token_in(links.confirm_url(Subscriber.objects.get().pk, email.created_at))
    services.confirm(token=token)

    assert arriving() == []
    assert OutboxEmail.objects.get().status == "failed"


def test_confirmation_whose_link_is_dead_is_not_sent(arriving):
    email = queued_confirmation()
    OutboxEmail.objects.update(created_at=email.created_at - CONFIRM_WITHIN)

    assert (arriving(), OutboxEmail.objects.get().error_message) == ([], "the link in it would not work any more")


def test_farewell_to_somebody_who_left_meanwhile_is_not_sent(arriving):
    subscriber = make_subscriber("active")
    services.ask_to_unsubscribe(email=EMAIL)
    services.unsubscribe(token=token_in(links.unsubscribe_url(subscriber.pk)))

    assert arriving() == []


def test_mail_to_an_erased_subscriber_is_not_sent(arriving):
    queued_confirmation()
    Subscriber.objects.all().delete()

    assert (arriving(), OutboxEmail.objects.get().error_message) == ([], "the subscriber is gone")


def test_link_of_one_page_opens_no_other():
    subscriber = make_subscriber("active")
    token = token_in(links.unsubscribe_url(subscriber.pk))

    with pytest.raises(links.LinkUnknown):
        links.read_confirm_token(token)


def test_moment_of_asking_survives_the_link():
    email = queued_confirmation()
    asked_at = email.created_at + timedelta(microseconds=1)

    token = token_in(links.confirm_url(Subscriber.objects.get().pk, asked_at))

    assert links.read_confirm_token(token)[1] == asked_at
