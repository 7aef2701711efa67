"""From one screen to another, for those who may see it."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString


def page_of(site: AdminSite, request: HttpRequest, model_name: str, pk: Any) -> str:
    """The address of a row's page, by the name of its model; empty if there is none or it is not for this user."""
    for model, screen in site._registry.items():
        if model._meta.model_name == model_name and screen.has_view_permission(request):
            return reverse(f"admin:{model._meta.app_label}_{model_name}_change", args=[pk])
    return ""


def link(address: str, text: str) -> SafeString | str:
    return format_html('<a href="{}">{}</a>', address, text) if address else text
