from homeproductions.errors import NotFound


class GalleryNotFound(NotFound):
    """Also for a picture: on these routes an id may be of an album or of one picture."""

    code = "GALLERY_NOT_FOUND"
    message = "There is no such gallery or picture."
