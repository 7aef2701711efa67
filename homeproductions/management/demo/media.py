"""The demo's files: pictures and the page of its payment links, and the addresses where they are found."""

from collections.abc import Callable
from pathlib import Path

from constance import config
from django.conf import settings
from django.db.models import F, Func, Value
from django.template import engines

from events.models import Event, TicketTier
from gallery.models import Gallery, GalleryImage

from . import pictures, programme

MEDIA_FOLDER = "demo"
PAYMENT_PAGE = "how-to-pay.html"


def draw_missing_pictures(folder: Path, say: Callable[[str], object]) -> None:
    """Posters and albums as files; those that are there already are the same."""
    todo = [night for night in programme.NIGHTS if not (folder / MEDIA_FOLDER / f"{night.slug}.jpg").exists()]
    if todo:
        say("pictures")
    for night in todo:
        for number, caption in enumerate(night.album, 1):
            path = folder / MEDIA_FOLDER / f"{night.slug}-{number}.jpg"
            pictures.draw_photo(path, night.colours, seed=caption)
        # Last: where it is missing, drawing was interrupted.
        poster = folder / MEDIA_FOLDER / f"{night.slug}.jpg"
        pictures.draw_poster(poster, night.colours, title=night.name, lines=(night.venue, night.location))


def write_payment_page(folder: Path, python: str) -> None:
    """Where the payment links of the tiers lead: a file beside the pictures, since no provider takes part in a demo."""
    template = Path(__file__).with_name("payment_page.html").read_text(encoding="utf-8")
    page = engines["django"].from_string(template).render({"config": config, "python": python})
    path = folder / MEDIA_FOLDER / PAYMENT_PAGE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def media_url(name: str) -> str:
    return f"{settings.PUBLIC_URL}{settings.MEDIA_URL}{MEDIA_FOLDER}/{name}"


def correct_urls() -> None:
    """The address of this server may have changed since the season was filled, with PORT for example."""
    for model, columns in (
        (Event, ["image_url"]),
        (TicketTier, ["payment_link"]),
        (Gallery, ["cover_image_url"]),
        (GalleryImage, ["image_url", "thumbnail_url"]),
    ):
        for column in columns:
            rows = model._default_manager.filter(**{f"{column}__contains": f"{settings.MEDIA_URL}{MEDIA_FOLDER}/"})
            moved = Func(F(column), Value("^https?://[^/]+"), Value(settings.PUBLIC_URL), function="regexp_replace")
            rows.exclude(**{f"{column}__startswith": f"{settings.PUBLIC_URL}/"}).update(**{column: moved})
