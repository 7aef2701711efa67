"""What a route asks of its caller. Staff only is the default; public is a word written beside the route."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from .authentication import require_user
from .errors import Forbidden
from .roles import is_office


class IsStaff(BasePermission):
    """Anybody of the house."""

    def has_permission(self, request: Request, view: Any) -> bool:
        require_user(request)
        return True


class IsOffice(BasePermission):
    """Admins and superadmins."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not is_office(require_user(request).role):
            raise Forbidden
        return True


class StaffReadsOfficeWrites(BasePermission):
    """Anybody of the house may look; only the office may change."""

    def has_permission(self, request: Request, view: Any) -> bool:
        may_be_staff = request.method in SAFE_METHODS
        return (IsStaff if may_be_staff else IsOffice)().has_permission(request, view)
