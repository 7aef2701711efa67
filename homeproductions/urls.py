"""The whole map. API paths answer with and without a trailing slash and never redirect."""

from typing import Any

from csp.decorators import csp_update
from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from accounts import pages as account_pages
from accounts.api import audit
from accounts.api import public as accounts
from events.api import admin as admin_events
from events.api import images as event_images
from events.api import public as events
from gallery.api import admin as admin_gallery
from gallery.api import public as gallery
from newsletter import pages as newsletter_pages
from newsletter.api import public as newsletter
from orders import pages as order_pages
from orders.admin import door as door_pages
from orders.admin.payments import money_to_look_at
from orders.api import admin as admin_orders
from orders.api import door, payments, stats, webhooks
from orders.api import public as orders

from . import api, export_page
from .dashboard import dashboard
from .description import Description
from .errors import NotFound
from .health import Health, Live
from .metrics import Metrics
from .static_files import media
from .throttles import limit_own_password, limit_sign_in
from .views import ApiView


def route(pattern: str, view: Any, name: str) -> URLPattern:
    """`{name}` in the pattern is one path segment."""
    regex = pattern.replace("{", "(?P<").replace("}", ">[^/]+)")
    return re_path(rf"^{regex}/?$", view.as_view(), name=name)


class NoSuchRoute(ApiView):
    """JSON for whatever does not exist below /api; below /api/admin only after the token was checked."""

    schema = None
    permission_classes = (AllowAny,)
    authentication_classes = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound


class NoSuchAdminRoute(ApiView):
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound


# Swagger UI writes style attributes; nothing else on the site may.
docs = csp_update({"style-src": "'unsafe-inline'"})(SpectacularSwaggerSplitView.as_view(url_name="schema"))

urlpatterns = [
    # Looked through from the top: first what a sale and a door ask for all the time.
    route("api/events", events.EventList, "events"),
    route("api/events/{reference}", events.EventDetail, "event"),
    route("api/orders", orders.OrderCreate, "orders"),
    route("api/orders/{number}", orders.OrderDetail, "order"),
    route("api/checkin", door.CheckIn, "checkin"),
    route("health", Health, "health"),
    route("health/live", Live, "live"),
    route("metrics", Metrics, "metrics"),
    route("api/auth/login", accounts.Login, "login"),
    route("api/auth/refresh", accounts.Refresh, "refresh"),
    route("api/auth/logout", accounts.Logout, "logout"),
    route("api/auth/change-password", accounts.ChangePassword, "change-password"),
    route("api/auth/me", accounts.Me, "me"),
    route("api/admin/orders", admin_orders.AdminOrderList, "admin-orders"),
    route("api/admin/orders/test", admin_orders.CreateTestOrder, "admin-test-order"),
    route("api/admin/orders/mark-paid", admin_orders.MarkPaid, "admin-mark-paid"),
    route("api/admin/mark-paid", admin_orders.MarkPaid, "admin-mark-paid-alias"),
    route("api/admin/payments", payments.PaymentList, "admin-payments"),
    route("api/admin/payments/{reference}/assign", payments.Assign, "admin-payment-assign"),
    route("api/admin/payments/{reference}/accept-late", payments.AcceptLate, "admin-payment-accept-late"),
    route("api/admin/payments/{reference}/mark-refunded", payments.MarkRefunded, "admin-payment-refunded"),
    route("api/admin/payments/{reference}/ignore", payments.Ignore, "admin-payment-ignore"),
    route("api/admin/checkins", admin_orders.RecentCheckIns, "admin-checkins"),
    route("api/admin/orders/checkins", admin_orders.RecentCheckIns, "admin-checkins-alias"),
    route("api/admin/orders/{reference}", admin_orders.AdminOrderDetail, "admin-order"),
    route("api/admin/orders/{reference}/status", admin_orders.OrderStatus, "admin-order-status"),
    route("api/admin/orders/{reference}/resend-email", admin_orders.ResendEmail, "admin-order-resend"),
    route("api/admin/stats", stats.Statistics, "admin-stats"),
    route("api/admin/stats/audit", audit.AuditList, "admin-audit"),
    route("api/admin/events", admin_events.AdminEventList, "admin-events"),
    route("api/admin/events/{reference}", admin_events.AdminEventDetail, "admin-event"),
    route("api/admin/upload/sign", event_images.SignUpload, "admin-upload-sign"),
    route("api/admin/upload/event-image/{event_id}", event_images.EventImage, "admin-event-image"),
    route("api/gallery", gallery.GalleryList, "galleries"),
    route("api/gallery/{reference}", gallery.GalleryDetail, "gallery"),
    route("api/admin/gallery", admin_gallery.AdminGalleryList, "admin-galleries"),
    # Before the next one, which would take it for an id.
    route("api/admin/gallery/upload-sign", admin_gallery.SignGalleryUpload, "admin-gallery-upload-sign"),
    route("api/admin/gallery/{reference}", admin_gallery.AdminGalleryDetail, "admin-gallery"),
    re_path(r"^api/checkin/verify/(?P<number>.+?)/?$", door.Verify.as_view(), name="verify"),
    route("api/newsletter/subscribe", newsletter.Subscribe, "newsletter-subscribe"),
    route("api/newsletter/unsubscribe", newsletter.Unsubscribe, "newsletter-unsubscribe"),
    route("api/webhook/payment", webhooks.PaymentWebhook, "payment-webhook"),
    route("api/webhook/recurrente", webhooks.RecurrenteWebhook, "recurrente-webhook"),
    re_path(r"^api/schema/?$", Description.as_view(), name="schema"),
    re_path(r"^api/docs/?$", docs, name="docs"),
    re_path(r"^api/admin(/.*)?$", NoSuchAdminRoute.as_view()),
    re_path(r"^api(/.*)?$", NoSuchRoute.as_view()),
    path("admin/login/", limit_sign_in(admin.site.login)),
    path("admin/door/", admin.site.admin_view(door_pages.door_lists), name="door-lists"),
    path("admin/door/<uuid:event_id>/", admin.site.admin_view(door_pages.door_list_page), name="door-list"),
    path("admin/door/<uuid:event_id>/csv/", admin.site.admin_view(door_pages.door_list_csv), name="door-list-csv"),
    path("admin/door/<uuid:event_id>/xlsx/", admin.site.admin_view(door_pages.door_list_xlsx), name="door-list-xlsx"),
    path("admin/money/", admin.site.admin_view(money_to_look_at), name="money"),
    # Before the site's own, so that this is its home page (`admin:index`).
    path("admin/", admin.site.admin_view(dashboard)),
    path(
        "admin/set-password/<uuid:user_id>/<str:token>/",
        limit_sign_in(account_pages.SetPassword.as_view()),
        name="set-password",
    ),
    path("admin/password_change/", admin.site.admin_view(limit_own_password(account_pages.OwnPassword.as_view()))),
    path("admin/exports/", admin.site.admin_view(export_page.exports), name="exports"),
    path("admin/", admin.site.urls),
    path("orders/<str:token>/", order_pages.OrderPage.as_view(), name="order-page"),
    path("orders/<str:token>/qr.png", order_pages.TicketPicture.as_view(), name="order-qr"),
    path("newsletter/confirm/<str:token>/", newsletter_pages.Confirm.as_view(), name="newsletter-confirm"),
    path(
        "newsletter/unsubscribe/<str:token>/",
        newsletter_pages.Unsubscribe.as_view(),
        name="newsletter-unsubscribe-page",
    ),
    # Browsers ask for it on pages that name no icon.
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}public/icon.svg")),
    path("", RedirectView.as_view(url="/api/docs"), name="home"),
]

if settings.MEDIA_ROOT:
    urlpatterns.append(re_path(r"^media/(?P<path>.+)$", media))

handler400 = api.bad_request
handler403 = api.forbidden
handler404 = api.not_found
handler500 = api.server_error
