"""The whole map. API paths answer with and without a trailing slash and never redirect."""

from typing import Any

from csp.decorators import csp_update
from django.contrib import admin
from django.urls import URLPattern, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.api import public as accounts
from events.api import public as events
from orders.api import door, webhooks
from orders.api import public as orders

from . import api
from .errors import NotFound
from .health import Health


def route(pattern: str, view: Any, name: str) -> URLPattern:
    """`{name}` in the pattern is one path segment."""
    regex = pattern.replace("{", "(?P<").replace("}", ">[^/]+)")
    return re_path(rf"^{regex}/?$", view.as_view(), name=name)


class NoSuchRoute(APIView):
    """JSON for whatever does not exist below /api; below /api/admin only after the token was checked."""

    schema = None
    permission_classes = (AllowAny,)
    authentication_classes = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound


class NoSuchAdminRoute(APIView):
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound


# Swagger UI writes style attributes; nothing else on the site may.
docs = csp_update({"style-src": "'unsafe-inline'"})(SpectacularSwaggerSplitView.as_view(url_name="schema"))

urlpatterns = [
    route("health", Health, "health"),
    route("api/auth/login", accounts.Login, "login"),
    route("api/auth/refresh", accounts.Refresh, "refresh"),
    route("api/auth/logout", accounts.Logout, "logout"),
    route("api/auth/change-password", accounts.ChangePassword, "change-password"),
    route("api/auth/me", accounts.Me, "me"),
    route("api/events", events.EventList, "events"),
    route("api/events/{reference}", events.EventDetail, "event"),
    route("api/orders", orders.OrderCreate, "orders"),
    route("api/orders/{number}", orders.OrderDetail, "order"),
    route("api/checkin", door.CheckIn, "checkin"),
    re_path(r"^api/checkin/verify/(?P<number>.+?)/?$", door.Verify.as_view(), name="verify"),
    route("api/webhook/payment", webhooks.PaymentWebhook, "payment-webhook"),
    re_path(r"^api/schema/?$", SpectacularJSONAPIView.as_view(), name="schema"),
    re_path(r"^api/docs/?$", docs, name="docs"),
    re_path(r"^api/admin(/.*)?$", NoSuchAdminRoute.as_view()),
    re_path(r"^api(/.*)?$", NoSuchRoute.as_view()),
    path("admin/", admin.site.urls),
    path("", RedirectView.as_view(url="/api/docs"), name="home"),
]

handler400 = api.bad_request
handler403 = api.forbidden
handler404 = api.not_found
handler500 = api.server_error
