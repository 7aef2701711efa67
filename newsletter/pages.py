"""The pages behind the links in newsletter mail. Opening one changes nothing: mail scanners open every link."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from homeproductions import throttles
from homeproductions.errors import RateLimited, Refused

from . import queries, services
from .errors import LinkUnknown


@dataclass(frozen=True)
class Words:
    """What a page says; with a `button` it asks."""

    title: str
    text: str
    button: str = ""


ASK_TO_CONFIRM = Words("One last step", "Would you like to hear from us about parties and festivals?", "Yes, subscribe")
CONFIRMED = Words("You are on the list", "Thank you! You will be among the first to hear about our next nights.")
ON_THE_LIST = Words("You are on the list", "You have confirmed already. There is nothing left to do.")
ASK_TO_LEAVE = Words(
    "Leave the list?", "You will get no more news from us. Your tickets are not affected.", "Unsubscribe"
)
LEFT = Words("You are off the list", "We will send you no more news. Changed your mind? Simply subscribe again.")
NOT_ON_THE_LIST = Words("You are off the list", "You have left already. We send you no news.")
BROKEN = "This link does not work"
TOO_OFTEN = "One moment, please"


# The token in the address is the whole authority: no cookie or session counts here, so a forged request from another
# site gains nothing. A mail provider's one-click POST (RFC 8058) and the browsers inside mail programs bring no cookie.
@method_decorator([csrf_exempt, never_cache], name="dispatch")
class LinkPage(View):
    """A page with one button. What the link cannot do is said on the page, with the status of the refusal."""

    http_method_names = ("get", "head", "post")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return self.answer(request, *args, **kwargs)
        except RateLimited as refusal:
            return say(request, Words(TOO_OFTEN, str(refusal)), status=refusal.status)
        except Refused as refusal:
            return say(request, Words(BROKEN, str(refusal)), status=refusal.status)

    def answer(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Whoever guesses links is stopped; a link that works is never counted, however many readers share an
        address."""
        try:
            return super().dispatch(request, *args, **kwargs)
        except LinkUnknown:
            throttles.count_page_miss(request)
            raise


class Confirm(LinkPage):
    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        subscriber = queries.by_confirm_token(token)
        return say(request, ON_THE_LIST if subscriber.is_active else ASK_TO_CONFIRM)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        return say(request, CONFIRMED if services.confirm(token=token) else ON_THE_LIST)


class Unsubscribe(LinkPage):
    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        subscriber = queries.by_unsubscribe_token(token)
        return say(request, NOT_ON_THE_LIST if subscriber.unsubscribed_at else ASK_TO_LEAVE)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        return say(request, LEFT if services.unsubscribe(token=token) else NOT_ON_THE_LIST)


def say(request: HttpRequest, words: Words, *, status: int = 200) -> HttpResponse:
    return render(request, "public/newsletter.html", {"words": words}, status=status)
