"""What guests call: /api/newsletter.

Anybody can send anybody's address here. So no answer tells whether it is on the list, nobody is taken off it by these
calls, and (unless the office has switched the confirmation off) nobody is put on it: what they lead to is a link in a
mail, which only the owner of the address reads.
"""

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from homeproductions import throttles
from homeproductions.api import ok
from homeproductions.openapi import Message, refusals
from homeproductions.views import ApiView
from newsletter import services

from .serializers import AddressBody

CONFIRM = "Thank you! If this address is not on our list yet, we have sent it a link to confirm."
WELCOME = "Thank you! This address is on our list."
GOODBYE = "If this address is on our list, we have sent it a link to unsubscribe."


class Subscribe(ApiView):
    """Ask for news by e-mail.

    With the setting `email_require_confirmation` on, the address gets a mail with a link that is good for seven days
    and is on the list once that is followed; with it off, it is on the list at once. Asking again sends the link
    again, but at most every five minutes and four times a day. The answer is the same for every address.
    """

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (throttles.Newsletter,)

    @extend_schema(
        request=AddressBody,
        responses={201: Message, **refusals(_400="VALIDATION_ERROR")},
        auth=[],
        tags=["newsletter"],
    )
    def post(self, request: Request) -> HttpResponse:
        must_confirm = services.subscribe(**AddressBody.parse(request))
        # The old server's 201 for new and 200 for known addresses told everybody who was on the list. It is 201 for
        # all, as it always was for the one caller that matters: a guest who subscribes.
        return ok(status=201, message=CONFIRM if must_confirm else WELCOME)


class Unsubscribe(ApiView):
    """Ask to leave the list.

    The address gets a mail with a link that does it; nothing changes before that is followed, or anybody could
    unsubscribe anybody. Every newsletter mail carries such a link too. The answer is the same for every address.
    """

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (throttles.Newsletter,)

    @extend_schema(
        request=AddressBody,
        responses={200: Message, **refusals(_400="VALIDATION_ERROR")},
        auth=[],
        tags=["newsletter"],
    )
    def post(self, request: Request) -> HttpResponse:
        services.ask_to_unsubscribe(**AddressBody.parse(request))
        return ok(message=GOODBYE)
