"""Albums of pictures taken at the nights."""

from django.conf import settings
from django.db import models

from homeproductions.constraints import UUIDModel, created_at, touch_updated_at, updated_at


class Gallery(UUIDModel):
    """An album. Guests see it once it is published."""

    title = models.CharField(max_length=255)
    description = models.TextField(null=True, blank=True)
    event = models.ForeignKey(
        "events.Event", null=True, blank=True, on_delete=models.SET_NULL, related_name="galleries"
    )
    photographer = models.CharField(max_length=255, null=True, blank=True)
    cover_image_url = models.TextField(null=True, blank=True)
    is_published = models.BooleanField(default=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = created_at()
    updated_at = updated_at()

    class Meta:
        db_table = "galleries"
        verbose_name_plural = "galleries"
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["-created_at"], name="gallery_newest"),
            models.Index(fields=["event"], name="gallery_of_event"),
        ]
        triggers = [touch_updated_at()]

    def __str__(self) -> str:
        return self.title


class GalleryImage(UUIDModel):
    """One picture of an album, kept at an image host."""

    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="images")
    image_url = models.TextField()
    thumbnail_url = models.TextField(null=True, blank=True)
    caption = models.CharField(max_length=500, null=True, blank=True)
    cloudinary_public_id = models.CharField(max_length=255, null=True, blank=True)
    sort_order = models.IntegerField(default=0)
    is_featured = models.BooleanField(default=False)
    created_at = created_at()

    class Meta:
        db_table = "gallery_images"
        ordering = ["sort_order", "-created_at"]
        indexes = [models.Index(fields=["gallery", "sort_order"], name="image_of_gallery")]

    def __str__(self) -> str:
        return self.caption or str(self.id)
