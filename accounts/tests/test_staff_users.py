"""Staff users in the office: invited, given a role, signed out, sent away, taken back; by superadmins alone."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.core import mail
from django.db import connection

from accounts.errors import Forbidden, LoginExists, OwnAccount
from accounts.models import User
from accounts.services import sessions, staff
from audit.models import AuditLog
from homeproductions.errors import Invalid, NotFound, Refused
from homeproductions.mail.delivery import process_due
from homeproductions.mail.models import OutboxEmail
from tests.factories import make_user

PASSWORD = "correct horse battery"
PAGE = "/admin/password_change/"


@pytest.fixture
def boss(db):
    return make_user("superadmin")


@pytest.fixture
def ana(db):
    return User.objects.create_user("ana@example.com", PASSWORD, name="Ana", role="admin")


def history(entity):
    rows = AuditLog.objects.filter(entity_id=entity.pk).order_by("created_at")
    return [(row.action, row.user, row.old_value, row.new_value) for row in rows]


def test_invited_user_gets_a_mail_and_has_no_password(boss):
    eva = staff.invite(email=" Eva@Example.com", name=" Eva ", role="staff", actor=boss)

    assert (eva.email, eva.name, eva.role, eva.has_usable_password()) == ("eva@example.com", "Eva", "staff", False)
    email = OutboxEmail.objects.get()
    assert (email.email_type, email.recipient_email) == ("staff_invite", "eva@example.com")
    assert email.context == {"user": str(eva.pk)}
    assert history(eva) == [("CREATE", boss, None, {"role": "staff"})]


@pytest.mark.parametrize(
    ("email", "refusal"), [("ana@example.com", LoginExists), ("ANA@example.com", LoginExists), ("nobody", Invalid)]
)
def test_refused_invitation_leaves_nothing(boss, ana, email, refusal):
    with pytest.raises(refusal):
        staff.invite(email=email, name="Eva", role="staff", actor=boss)

    assert (User.objects.count(), OutboxEmail.objects.count(), AuditLog.objects.count()) == (2, 0, 0)


def test_new_role_ends_sessions(boss, ana):
    session = sessions.log_in(email=ana.email, password=PASSWORD)

    staff.change_role(ana.pk, role="staff", actor=boss)

    ana.refresh_from_db()
    assert ana.role == "staff"
    with pytest.raises(Refused):
        sessions.refresh(token=session.refresh_token)
    assert history(ana)[-1] == ("UPDATE", boss, {"role": "admin"}, {"role": "staff"})


@pytest.mark.parametrize("role", ["admin", "king"])
def test_same_or_unknown_role_is_refused(boss, ana, role):
    with pytest.raises(Invalid):
        staff.change_role(ana.pk, role=role, actor=boss)
    assert history(ana) == []


def test_deactivated_user_is_out_at_once(api, client, boss, ana):
    session = sessions.log_in(email=ana.email, password=PASSWORD)
    client.force_login(ana)
    headers = {"Authorization": f"Bearer {session.access_token}"}
    assert (
        api.get("/api/auth/me", headers=headers).status_code,
        client.get(PAGE).status_code,
    ) == (200, 200)

    staff.deactivate(ana.pk, actor=boss)

    assert (
        api.get("/api/auth/me", headers=headers).status_code,
        client.get(PAGE).status_code,
    ) == (401, 302)
    for again in (
        lambda: sessions.refresh(token=session.refresh_token),
        lambda: sessions.log_in(email=ana.email, password=PASSWORD),
    ):
        with pytest.raises(Refused):
            again()
    assert ("UPDATE", boss, {"is_active": True}, {"is_active": False}) in history(ana)


def test_old_sessions_stay_dead_after_a_reactivation(api, boss, ana):
    session = sessions.log_in(email=ana.email, password=PASSWORD)
    staff.deactivate(ana.pk, actor=boss)

    staff.reactivate(ana.pk, actor=boss)

    headers = {"Authorization": f"Bearer {session.access_token}"}
    assert api.get("/api/auth/me", headers=headers).status_code == 401
    assert sessions.log_in(email=ana.email, password=PASSWORD)


@pytest.mark.parametrize("act", [staff.deactivate, staff.reactivate])
def test_switching_twice_is_refused(boss, ana, act):
    User.objects.filter(pk=ana.pk).update(is_active=act is staff.reactivate)

    with pytest.raises(Invalid):
        act(ana.pk, actor=boss)
    assert history(ana) == []


def test_signed_out_everywhere_keeps_the_password(api, boss, ana):
    session = sessions.log_in(email=ana.email, password=PASSWORD)

    staff.sign_out(ana.pk, actor=boss)

    headers = {"Authorization": f"Bearer {session.access_token}"}
    assert api.get("/api/auth/me", headers=headers).status_code == 401
    assert sessions.log_in(email=ana.email, password=PASSWORD)


def test_link_leaves_the_old_password_alone_unless_told(boss, ana):
    staff.send_link(ana.pk, actor=boss)
    assert sessions.log_in(email=ana.email, password=PASSWORD)

    staff.send_link(ana.pk, actor=boss, void_password=True)
    with pytest.raises(Refused):
        sessions.log_in(email=ana.email, password=PASSWORD)
    assert list(OutboxEmail.objects.values_list("email_type", flat=True)) == ["staff_reset", "staff_reset"]


def test_deactivated_user_gets_no_link(boss, ana):
    staff.send_link(ana.pk, actor=boss)
    staff.deactivate(ana.pk, actor=boss)

    with pytest.raises(Invalid):
        staff.send_link(ana.pk, actor=boss)
    process_due()
    assert (mail.outbox, OutboxEmail.objects.get().error_message) == ([], "the login was deactivated")


ACTS = {
    "change_role": lambda user, actor: staff.change_role(user.pk, role="staff", actor=actor),
    "rename": lambda user, actor: staff.rename(user.pk, name="Eva", actor=actor),
    "deactivate": lambda user, actor: staff.deactivate(user.pk, actor=actor),
    "sign_out": lambda user, actor: staff.sign_out(user.pk, actor=actor),
    "send_link": lambda user, actor: staff.send_link(user.pk, actor=actor),
    "invite": lambda user, actor: staff.invite(email="e@example.com", name="Eva", role="admin", actor=actor),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
@pytest.mark.parametrize("fields", [{"role": "admin"}, {"role": "staff"}, {"role": "superadmin", "is_active": False}])
def test_only_superadmins_change_users(boss, ana, act, fields):
    actor = make_user(**fields)

    with pytest.raises(Forbidden):
        act(ana, actor)
    assert (AuditLog.objects.count(), User.objects.get(pk=ana.pk).updated_at) == (0, ana.updated_at)


@pytest.mark.parametrize("name", sorted(set(ACTS) - {"invite"}))
def test_nobody_changes_their_own_login(boss, name):
    with pytest.raises(OwnAccount):
        ACTS[name](boss, boss)
    assert history(boss) == []


def test_unknown_user_is_refused(boss, ana):
    ana.delete()

    with pytest.raises(NotFound):
        staff.deactivate(ana.pk, actor=boss)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["change_role", "deactivate"])
def test_of_two_superadmins_who_remove_each_other_one_stays(name):
    for _ in range(8):
        User.objects.update(is_active=False)
        pair = [make_user("superadmin"), make_user("superadmin")]
        start = Barrier(2)

        def act(target, actor, start=start):
            try:
                start.wait()
                ACTS[name](target, actor)
            except Forbidden:
                return
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as threads:
            list(threads.map(act, pair, reversed(pair)))
        assert User.objects.filter(role="superadmin", is_active=True).count() == 1


# --- Screens -------------------------------------------------------------------------------------------------


def test_list_and_pages_are_for_superadmins(client, boss, ana):
    paths = ("", f"{ana.pk}/change/", "do/invite/", f"{ana.pk}/do/deactivate/")
    for role, status in (("staff", 403), ("admin", 403), ("superadmin", 200)):
        client.force_login(make_user(role))
        assert [client.get(f"/admin/accounts/user/{path}").status_code for path in paths] == [status] * 4


def test_users_are_never_added_or_deleted_directly(client, boss, ana):
    client.force_login(boss)
    assert client.get("/admin/accounts/user/add/").status_code == 403
    assert client.post(f"/admin/accounts/user/{ana.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.post(f"/admin/accounts/user/{ana.pk}/change/", {"role": "superadmin"}).status_code == 403
    assert User.objects.get(pk=ana.pk).role == "admin"


def test_invite_page_makes_the_login(client, boss):
    client.force_login(boss)

    response = client.post(
        "/admin/accounts/user/do/invite/", {"email": "eva@example.com", "name": "Eva", "role": "staff"}
    )

    eva = User.objects.get(email="eva@example.com")
    assert (response.status_code, response.url) == (302, f"/admin/accounts/user/{eva.pk}/change/")


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("change-role", {"role": "staff"}, {"role": "staff"}),
        ("rename", {"name": "Ana María"}, {"name": "Ana María"}),
        ("deactivate", {}, {"is_active": False}),
        ("sign-out", {}, {"token_version": 2}),
    ],
)
def test_step_does_what_it_says(client, boss, ana, name, data, expected):
    client.force_login(boss)

    response = client.post(f"/admin/accounts/user/{ana.pk}/do/{name}/", data)

    ana.refresh_from_db()
    assert (response.status_code, {field: getattr(ana, field) for field in expected}) == (302, expected)
    assert AuditLog.objects.filter(entity_id=ana.pk, user=boss).count() == 1


def test_own_page_offers_nothing_and_refuses_in_words(client, boss):
    client.force_login(boss)

    assert "/do/" not in client.get(f"/admin/accounts/user/{boss.pk}/change/").content.decode()
    response = client.post(f"/admin/accounts/user/{boss.pk}/do/deactivate/")
    assert (response.status_code, OwnAccount.message in response.content.decode()) == (422, True)


def test_list_says_who_is_what(client, boss, ana):
    User.objects.create(email="gone@example.com", name="Gone", is_active=False, password="!x")
    staff.invite(email="eva@example.com", name="Eva", role="staff", actor=boss)
    client.force_login(boss)

    rows = client.get("/admin/accounts/user/?q=example").context["cl"].result_list
    screen = client.get("/admin/accounts/user/").context["cl"].model_admin
    assert {user.name: screen.state(user) for user in rows if user != boss} == {
        "Ana": "active",
        "Eva": "has no password yet",
        "Gone": "deactivated",
    }
    [gone] = client.get("/admin/accounts/user/?state=deactivated").context["cl"].result_list
    assert gone.email == "gone@example.com"


def test_link_for_a_deactivated_login_says_to_reactivate_it_first(client, boss, ana):
    staff.deactivate(ana.pk, actor=boss)
    client.force_login(boss)

    response = client.get(f"/admin/accounts/user/{ana.pk}/do/send-link/", follow=True)

    assert "Ana is deactivated: reactivate the login first" in response.content.decode()
