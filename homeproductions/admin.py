"""The page of the settings that may change while the system runs (django-constance), for superadmins."""

from typing import Any

from constance.admin import Config, ConstanceAdmin
from constance.forms import ConstanceForm
from constance.models import Constance
from constance.utils import get_values
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from audit.services import record

HISTORY = "settings"  # what the audit calls them

Config._meta.verbose_name_plural = "settings"
admin.site.unregister([Config])


class SettingsForm(ConstanceForm):
    """Each setting by a name that people say, with what it does; a box to tick by what ticking it means."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, (_, explanation, *_) in settings.CONSTANCE_CONFIG.items():
            field = self.fields[name]
            if isinstance(field, forms.BooleanField):
                field.label = explanation
            else:
                field.label = name.replace("_", " ").capitalize()
                field.help_text = explanation
            if not isinstance(field, forms.IntegerField | forms.BooleanField):
                field.widget.attrs["size"] = 40


@transaction.atomic
def save(form: SettingsForm, *, actor: Any) -> list[str]:
    """Write what the form changes, with its history, and return the names. Call it with the settings locked."""
    before = get_values()
    changed = form.save()
    if changed:
        record(
            "UPDATE",
            actor=actor,
            entity_type=HISTORY,
            old={name: before[name] for name in changed},
            new={name: form.cleaned_data[name] for name in changed},
        )
    return changed


@admin.register(Config)
class SettingsAdmin(ConstanceAdmin):
    change_list_form = SettingsForm
    change_list_template = "admin/settings.html"

    def get_urls(self) -> list[URLPattern]:
        return [
            path("", self.admin_site.admin_view(self.changelist_view), name="constance_config_changelist"),
            path("history/", self.admin_site.admin_view(self.history_view), name="constance_config_history"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        with transaction.atomic():
            # Two people who save in the same moment: the second is told that something changed meanwhile.
            list(Constance.objects.select_for_update(no_key=True))
            data = request.POST if request.method == "POST" else None
            form = self.change_list_form(initial=get_values(), request=request, data=data)
            if request.method == "POST" and form.is_valid():
                changed = save(form, actor=request.user)
                messages.success(request, "The settings are saved." if changed else "Nothing was changed.")
                return HttpResponseRedirect(request.path)
        return self._show(request, form)

    def history_view(
        self, request: HttpRequest, object_id: str | None = None, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(f"{reverse('admin:audit_auditlog_changelist')}?entity_type={HISTORY}")

    def _show(self, request: HttpRequest, form: SettingsForm) -> HttpResponse:
        groups = [
            (title, [form[name] for name in names]) for title, names in settings.CONSTANCE_CONFIG_FIELDSETS.items()
        ]
        context = {"title": "Settings", "opts": self.opts, "form": form, "groups": groups}
        site = self.admin_site.each_context(request)
        status = 422 if form.is_bound else 200
        return TemplateResponse(request, self.change_list_template, {**site, **context}, status=status)
