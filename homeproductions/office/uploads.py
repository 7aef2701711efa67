"""Screens with pictures: the browser sends them straight to the image host, with a permit that is signed here."""

from collections.abc import Callable
from typing import Any

from csp.decorators import csp_update
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path, reverse

from homeproductions import pictures
from homeproductions.errors import Refused

TAKEN = "image/jpeg,image/png,image/webp,image/gif,image/avif,image/heic"


def may_reach_the_host(view: Callable[..., Any]) -> Callable[..., Any]:
    """For the pages that upload, and no others: their scripts may talk to the image host."""
    return csp_update({"connect-src": [pictures.HOST]})(view)


def asked_by_script(view: Callable[..., dict[str, Any]]) -> Callable[..., HttpResponse]:
    """For methods that answer a script of the page: JSON, also when a service refuses."""

    def answer(self: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method != "POST":
            return JsonResponse({"error": "POST only."}, status=405, headers={"Allow": "POST"})
        try:
            return JsonResponse(view(self, request, *args, **kwargs))
        except Refused as refusal:
            return JsonResponse({"error": str(refusal)}, status=refusal.status)

    return answer


class UploadPages:
    """For a ModelAdmin: hands out permits, for a row or before there is one."""

    # The ModelAdmin's own.
    opts: Any
    admin_site: Any
    get_object: Any
    has_add_permission: Any
    has_change_permission: Any

    def permit(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Ask the service for a permit. May raise Refused."""
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_permit"
        view = self.admin_site.admin_view(self.permit_page)
        pages = [path("permit/", view, name=name), path("<str:object_id>/permit/", view, name=name)]
        return [*pages, *super().get_urls()]  # type: ignore[misc]

    @asked_by_script
    def permit_page(self, request: HttpRequest, object_id: str | None = None) -> dict[str, Any]:
        row = self.changeable(request, object_id) if object_id else None
        if row is None and not self.has_add_permission(request):
            raise PermissionDenied
        return self.permit(request, row)

    def changeable(self, request: HttpRequest, object_id: str) -> Any:
        """The row, for somebody who may change it."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        return row


def context_of(model: Any, row_id: Any = None) -> dict[str, Any]:
    """What the templates of an upload need; `row_id` of a row that exists."""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_permit"
    args = [row_id] if row_id is not None else []
    return {"permit": reverse(name, args=args), "taken": TAKEN, "can_upload": settings.CLOUDINARY_IS_CONFIGURED}
