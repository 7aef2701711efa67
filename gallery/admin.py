"""The office's screen of albums, and the page of an album's pictures."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.models import User
from homeproductions.errors import Invalid
from homeproductions.office.filters import Choice
from homeproductions.office.saving import SavedByService
from homeproductions.office.steps import Done, Step
from homeproductions.office.uploads import UploadPages, asked_by_script, context_of, may_reach_the_host

from . import queries
from .forms import AddressForm, AlbumForm, PictureForm, UploadedForm
from .models import Gallery, GalleryImage
from .services import albums, arranging, uploads

CHANGE = "gallery.change_gallery"
PICTURES_PER_PAGE = 60
SHOWN_WITH_ALBUM = 8

# --- What a person may do with an album -------------------------------------------------------------------------


def publish(album: Gallery, data: dict[str, Any], actor: User) -> str:
    albums.update_album(album.pk, {"is_published": True}, actor=actor)
    return f"{album} is published."


def unpublish(album: Gallery, data: dict[str, Any], actor: User) -> str:
    albums.update_album(album.pk, {"is_published": False}, actor=actor)
    return f"{album} is hidden."


def delete(album: Gallery, data: dict[str, Any], actor: User) -> Done:
    albums.delete_album(album.pk, actor=actor)
    return Done(f"{album} is deleted.", reverse("admin:gallery_gallery_changelist"))


def inside(album: Gallery) -> str:
    count = album.images.count()
    return "It has no picture yet." if not count else f"It has {count} picture{'s' if count > 1 else ''}."


STEPS = (
    Step(
        "publish",
        "Publish",
        CHANGE,
        publish,
        lambda album: ["Guests see the album. Nobody is mailed.", inside(album)],
        fits=lambda album: not album.is_published,
    ),
    Step(
        "unpublish",
        "Hide",
        CHANGE,
        unpublish,
        lambda album: ["Guests no longer see the album. Its pictures stay here."],
        fits=lambda album: album.is_published,
    ),
    Step(
        "delete",
        "Delete",
        CHANGE,
        delete,
        lambda album: [
            "The album goes with all its pictures, for good.",
            "Those that were uploaded and are shown nowhere else go from the image host as well.",
            inside(album),
        ],
        is_danger=True,
    ),
)


# --- Screen -----------------------------------------------------------------------------------------------------


class PublishedFilter(Choice):
    title = "published"
    parameter_name = "published"
    choices_known = [("yes", "yes", Q(is_published=True)), ("no", "no", Q(is_published=False))]


@admin.register(Gallery)
class GalleryAdmin(UploadPages, SavedByService):
    form = AlbumForm
    steps = STEPS
    list_display = ("cover", "title", "night", "image_count", "is_published", "created_at")
    list_display_links = ("cover", "title")
    list_filter = (PublishedFilter,)
    search_fields = ("title", "photographer", "event__name")
    search_help_text = "Search by title, photographer or night"
    sortable_by = ("title", "created_at")
    readonly_fields = ("is_published", "inside")
    fields = ("is_published", "title", "event", "photographer", "description", "cover_image_url", "inside")

    class Media:
        css = {"all": ("office/pictures.css",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Gallery]:
        return queries.albums()

    def get_fields(self, request: HttpRequest, obj: Gallery | None = None) -> Any:
        return self.fields if obj else self.fields[1:-1]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<str:object_id>/pictures/", view(self.pictures_page), name="gallery_gallery_pictures"),
            path("<str:object_id>/pictures/add/", view(self.add_uploaded), name="gallery_gallery_add_picture"),
            *super().get_urls(),
        ]

    def offered(self, request: HttpRequest, row: Any) -> list[dict[str, Any]]:
        buttons = super().offered(request, row)
        if row is None or not self.has_change_permission(request, row):
            return buttons
        return [{"url": pictures_of(row), "label": "Pictures", "is_danger": False}, *buttons]

    def store(self, request: HttpRequest, form: Any, formsets: Sequence[Any], *, is_new: bool) -> Gallery:
        actor: Any = request.user
        if is_new:
            return albums.create_album(actor=actor, **form.changes())
        albums.update_album(form.instance.pk, form.changes(), actor=actor)
        return form.instance

    def response_add(self, request: HttpRequest, obj: Gallery, post_url_continue: str | None = None) -> HttpResponse:
        messages.success(request, f"{obj} was made; guests do not see it yet. Now its pictures.")
        return HttpResponseRedirect(pictures_of(obj))

    def permit(self, request: HttpRequest, row: Gallery | None) -> dict[str, Any]:
        actor: Any = request.user
        return uploads.sign_upload(gallery_id=row.pk if row else None, actor=actor)

    @admin.display(description="")
    def cover(self, album: Any) -> SafeString:
        url = album.first_image or album.cover_image_url
        return (
            thumbnail(url, f"Pictures of {album}")
            if url
            else format_html('<span class="no-picture">{}</span>', "no picture")
        )

    @admin.display(description="Night")
    def night(self, album: Gallery) -> str:
        return str(album.event) if album.event else "-"

    @admin.display(description="Pictures", ordering="image_count")
    def image_count(self, album: Any) -> int:
        return album.image_count

    @admin.display(description="Pictures")
    def inside(self, album: Any) -> SafeString:
        images = album.images.order_by(*queries.PICTURE_ORDER)[:SHOWN_WITH_ALBUM]
        shown = format_html_join(" ", "{}", ((thumbnail(image.thumbnail_url or image.image_url),) for image in images))
        link = format_html('<a href="{}">{} in all: add, order, remove</a>', pictures_of(album), album.image_count)
        return format_html('<span class="strip">{}</span> {}', shown, link)

    # --- The page of an album's pictures ---

    def pictures_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        album = self.changeable(request, object_id)
        address = AddressForm(request.POST if "add-address" in request.POST else None)
        images = album.images.order_by(*queries.PICTURE_ORDER)
        page = page_of(images, request)
        forms = forms_of(page)
        if request.method == "POST" and "add-address" in request.POST:
            if address.is_valid():
                return self._add_address(request, album, address)
        elif request.method == "POST":
            forms = [
                PictureForm(form.image, form.initial["place"], request.POST) for form in forms_sent(images, request)
            ]
            if all(form.is_valid() for form in forms):
                return self._arrange(request, album, forms)
        return self._show_pictures(request, album, page, forms, address)

    @asked_by_script
    def add_uploaded(self, request: HttpRequest, object_id: str) -> dict[str, Any]:
        album = self.changeable(request, object_id)
        form = UploadedForm(request.POST)
        if not form.is_valid():
            raise Invalid("The image host's answer is not what it should be.")
        actor: Any = request.user
        told = form.cleaned_data
        arranging.add_to_album(album.pk, image_url=told["url"], public_id=told["public_id"], actor=actor)
        return {"success": True}

    def _add_address(self, request: HttpRequest, album: Gallery, form: AddressForm) -> HttpResponse:
        actor: Any = request.user
        arranging.add_to_album(album.pk, actor=actor, **form.cleaned_data)
        messages.success(request, "The picture was added at the end.")
        return HttpResponseRedirect(f"{pictures_of(album)}?page=last")

    def _arrange(self, request: HttpRequest, album: Gallery, forms: list[PictureForm]) -> HttpResponse:
        actor: Any = request.user
        done = arranging.arrange(album.pk, wanted_of(forms), actor=actor)
        words = ", ".join(f"{count} {word}" for word, count in done.items() if count)
        messages.success(request, f"Saved: {words}." if words else "Nothing was changed.")
        return HttpResponseRedirect(request.get_full_path())

    def _show_pictures(
        self, request: HttpRequest, album: Gallery, page: Page, forms: list[PictureForm], address: AddressForm
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            **context_of(Gallery, album.pk),
            "opts": self.opts,
            "title": f"Pictures of {album}",
            "album": album,
            "page": page,
            "forms": forms,
            "address": address,
            "has_errors": any(form.errors for form in forms),
        }
        response = TemplateResponse(request, "admin/gallery/pictures.html", context)
        return may_reach_the_host(lambda: response)()


def pictures_of(album: Gallery) -> str:
    return reverse("admin:gallery_gallery_pictures", args=[album.pk])


def thumbnail(url: str, words: str = "") -> SafeString:
    """Words are for one that is a link."""
    picture = '<img class="thumbnail" src="{}" alt="{}" loading="lazy" referrerpolicy="no-referrer">'
    return format_html(picture, url, words)


def page_of(images: QuerySet[GalleryImage], request: HttpRequest) -> Page:
    pages = Paginator(images, PICTURES_PER_PAGE)
    wish = request.GET.get("page")
    return pages.get_page(pages.num_pages if wish == "last" else wish)


def forms_of(page: Page) -> list[PictureForm]:
    return [PictureForm(image, place) for place, image in enumerate(page, page.start_index())]


def forms_sent(images: QuerySet[GalleryImage], request: HttpRequest) -> list[PictureForm]:
    """A form for each picture that was on the page when it was opened, whatever was added or removed since."""
    numbered = enumerate(images, 1)
    return [PictureForm(image, place, request.POST) for place, image in numbered if f"{image.pk}-place" in request.POST]


def wanted_of(forms: list[PictureForm]) -> arranging.Arrangement:
    return arranging.Arrangement(
        places={form.image.pk: form.cleaned_data["place"] for form in forms if "place" in form.changed_data},
        captions={form.image.pk: form.cleaned_data["caption"] for form in forms if "caption" in form.changed_data},
        removed=[form.image.pk for form in forms if form.cleaned_data["remove"]],
    )
