from django.contrib.admin.apps import AdminConfig


class OfficeConfig(AdminConfig):
    """Makes `admin.site` ours, so that every app registers its screens the usual way."""

    default_site = "homeproductions.office.site.OfficeSite"
