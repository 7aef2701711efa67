"""The pages on which staff set their own password: by a mailed link, and by knowing the old one."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.forms import AdminPasswordChangeForm
from django.contrib.auth.password_validation import password_validators_help_text_html
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse, reverse_lazy
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from homeproductions import throttles
from homeproductions.errors import RateLimited, Refused

from .errors import DeadLink
from .services import passwords


class NewPasswordForm(forms.Form):
    new = forms.CharField(
        label="New password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "autofocus": True}),
        help_text=password_validators_help_text_html,
    )
    again = forms.CharField(
        label="The same again", strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("new") and data.get("again") and data["new"] != data["again"]:
            self.add_error("again", "These two are not the same.")
        return data


@method_decorator([never_cache, sensitive_post_parameters()], name="dispatch")
class SetPassword(View):
    """Behind a mailed link. Opening it changes nothing: mail scanners open every link."""

    http_method_names = ("get", "head", "post")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        except DeadLink as refusal:
            return self._refuse(request, refusal)

    def _refuse(self, request: HttpRequest, refusal: Refused) -> HttpResponse:
        """Whoever guesses links is stopped, as at the links of guests."""
        try:
            throttles.count_page_miss(request)
        except RateLimited as too_many:
            refusal = too_many
        return self._show(request, {"title": "This link does not work", "refusal": refusal}, refusal.status)

    def get(self, request: HttpRequest, user_id: UUID, token: str) -> HttpResponse:
        return self._ask(request, user_id, token, NewPasswordForm())

    def post(self, request: HttpRequest, user_id: UUID, token: str) -> HttpResponse:
        form = NewPasswordForm(request.POST)
        if form.is_valid():
            try:
                passwords.set_by_link(user_id, token, new=form.cleaned_data["new"])
            except DeadLink:
                raise
            except Refused as refusal:
                form.add_error("new", str(refusal))
            else:
                messages.success(request, "Your password is set. Please sign in with it.")
                return HttpResponseRedirect(reverse("admin:index"))
        return self._ask(request, user_id, token, form, status=422)

    def _ask(
        self, request: HttpRequest, user_id: UUID, token: str, form: forms.Form, status: int = 200
    ) -> HttpResponse:
        user = passwords.user_of_link(user_id, token)
        return self._show(request, {"title": "Set your password", "owner": user, "form": form}, status)

    def _show(self, request: HttpRequest, context: dict[str, Any], status: int) -> HttpResponse:
        site = admin.site.each_context(request)
        return TemplateResponse(request, "admin/set_password.html", {**site, **context}, status=status)


class OwnPasswordForm(AdminPasswordChangeForm):
    """Django's own, saved by our service, so that the history says who did it."""

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("new_password1") and data["new_password1"] == data.get("old_password"):
            self.add_error("new_password1", "The new password is the old one.")
        return data

    def save(self, commit: bool = True) -> Any:
        passwords.replace(self.user, self.cleaned_data["new_password1"])
        return self.user


class OwnPassword(PasswordChangeView):
    """Ends all other sessions; the one at this page goes on."""

    form_class = OwnPasswordForm
    success_url = reverse_lazy("admin:password_change_done")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**admin.site.each_context(self.request), **super().get_context_data(**kwargs)}
