from django.contrib.admin.apps import AdminConfig


class OfficeConfig(AdminConfig):
    """Makes `admin.site` ours, so that every app registers its screens the usual way."""

    default_site = "homeproductions.office.site.OfficeSite"

    def ready(self) -> None:
        super().ready()  # finds every app's admin.py
        from django.contrib import admin
        from django.contrib.auth.models import Group

        admin.site.unregister(Group)  # who may do what is decided by roles
