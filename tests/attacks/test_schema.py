"""The OpenAPI page tells the truth: Schemathesis sends what it describes, and worse, to every operation."""

import pytest
import schemathesis
from django.core.management import call_command
from django.http import HttpResponse
from hypothesis import HealthCheck, settings
from schemathesis import checks
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks as openapi_checks

from homeproductions import health
from homeproductions.wsgi import application
from tests.factories import bearer, make_event, make_order, make_tier, make_user
from tests.lengths import length

schema = schemathesis.openapi.from_wsgi("/api/schema", application)

# Not among them: the check for accepted extra data (unknown fields are ignored, contract 1.1), for wrong methods
# (404 instead of 405, contract 1.1) and for valid data that business rules refuse.
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.ignored_auth,
]


@pytest.fixture
def season(one_transaction):
    """Something of everything, so that answers are not just empty lists."""
    tier = make_tier(make_event(slug="luna-llena", artists=["A"]), description="x")
    for status in ("pending", "paid", "cancelled", "refunded"):
        make_order(tier, status)
    return make_user("superadmin")


@pytest.mark.timeout(1800)
@schema.parametrize()
@settings(
    max_examples=length(10, 300),
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    database=None,
)
def test_operation_answers_as_described(case, season):
    headers = {**bearer(season), "Accept-Encoding": "identity"}
    case.call_and_validate(headers=headers, checks=CHECKS)


def test_schema_is_generated_without_warnings(tmp_path):
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "schema.yml"))


def test_control_answer_that_is_not_as_described_is_found(season, monkeypatch):
    monkeypatch.setattr(health.Live, "get", lambda view, request: HttpResponse(b"{}", content_type="application/json"))
    case = schema["/health/live"]["GET"].Case()

    with pytest.raises(FailureGroup):
        case.call_and_validate(checks=CHECKS)


def test_control_fault_is_found(season, monkeypatch):
    monkeypatch.setattr(health.Live, "get", lambda view, request: 1 / 0)
    case = schema["/health/live"]["GET"].Case()

    with pytest.raises(FailureGroup):
        case.call_and_validate(checks=CHECKS)
