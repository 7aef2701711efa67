"""Draws the demo's posters and photographs: a dusk in two colours, a moon, volcanoes, lights out of focus."""

from pathlib import Path
from random import Random

from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

from .programme import plain

PHOTO, POSTER, THUMBNAIL = (1200, 800), (800, 1000), (400, 400)
QUALITY = 82


def draw_photo(path: Path, colours: tuple[str, str], *, seed: str) -> None:
    """A picture of an album and, beside it, its small copy (`thumbnail_of`)."""
    picture = _scene(PHOTO, colours, Random(seed))
    _save(picture, path)
    _save(ImageOps.fit(picture, THUMBNAIL), thumbnail_of(path))


def draw_poster(path: Path, colours: tuple[str, str], *, title: str, lines: tuple[str, ...]) -> None:
    """The announcement of a night. The font that comes with Pillow has no accents, so it says VOLCAN."""
    title = plain(title).upper()
    picture = _scene(POSTER, colours, Random(title))
    draw = ImageDraw.Draw(picture)
    size = 104
    while draw.textlength(title, ImageFont.load_default(size)) > POSTER[0] - 120:
        size -= 4
    draw.text((60, 70), title, "white", ImageFont.load_default(size))
    for number, line in enumerate(lines):
        draw.text((62, 200 + 44 * number), plain(line), "white", ImageFont.load_default(30))
    _save(picture, path)


def thumbnail_of(path: Path) -> Path:
    return path.with_stem(f"{path.stem}-small")


def _scene(size: tuple[int, int], colours: tuple[str, str], random: Random) -> Image.Image:
    picture = ImageOps.colorize(Image.linear_gradient("L").resize(size), *colours)
    _moon(picture, random)
    for depth in (1, 2, 3):
        _volcanoes(picture, colours[0], depth, random)
    return _lights(picture, colours[1], random)


def _moon(picture: Image.Image, random: Random) -> None:
    width, height = picture.size
    radius = random.randint(height // 20, height // 9)
    x, y = random.randint(width // 6, width * 5 // 6), random.randint(height // 3, height // 2)
    ImageDraw.Draw(picture).ellipse((x - radius, y - radius, x + radius, y + radius), "#f5f0e8")


def _volcanoes(picture: Image.Image, colour: str, depth: int, random: Random) -> None:
    """One ridge; the nearer (a higher depth), the lower and the darker."""
    width, height = picture.size
    foot = height * (60 + 8 * depth) // 100
    points = [(0, height), (0, foot)]
    x = 0
    while x < width:
        half = random.randint(width // 9, width // 4)
        peak = foot - random.randint(height // 12, height // 5)
        points += [(x, foot), (x + half, peak), (x + half + width // 60, peak), (x + 2 * half, foot)]
        x += 2 * half
    shade = Image.new("RGB", picture.size, colour)
    mask = Image.new("L", picture.size)
    ImageDraw.Draw(mask).polygon([*points, (width, height)], 70 * depth)
    picture.paste(shade, mask=mask)


def _lights(picture: Image.Image, colour: str, random: Random) -> Image.Image:
    width, height = picture.size
    mask = Image.new("L", picture.size)
    draw = ImageDraw.Draw(mask)
    for _ in range(40):
        x, y, radius = random.randrange(width), random.randrange(height // 2, height), random.randint(6, 34)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), random.randint(40, 200))
    mask = mask.filter(ImageFilter.GaussianBlur(4))
    picture.paste(Image.new("RGB", picture.size, colour), mask=mask)
    return picture


def _save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, quality=QUALITY)
