"""Where a mail goes: transport, folder, both, or nowhere yet."""

import email
import email.policy

import pytest
from django.core import mail

from homeproductions.mail.backends import OUTGOING, as_bytes, is_configured

LOCMEM = "django.core.mail.backends.locmem.EmailBackend"


@pytest.fixture
def outgoing(settings):
    settings.EMAIL_BACKEND, settings.MAIL_TRANSPORT, settings.EMAIL_FOLDER = OUTGOING, "", ""
    return settings


def send():
    headers = {"X-Outbox-Id": "11111111-2222-3333-4444-555555555555"}
    message = mail.EmailMessage("Grüße", "Hello.", "a@example.com", ["b@example.com"], headers=headers)
    return mail.get_connection().send_messages([message])


def test_folder_receives_a_readable_file_and_no_leftovers(outgoing, tmp_path):
    outgoing.EMAIL_FOLDER = str(tmp_path / "new" / "mails")

    assert send() == 1

    (path,) = (tmp_path / "new" / "mails").iterdir()
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert path.name.endswith("-11111111-2222-3333-4444-555555555555.eml")
    assert (message["Subject"], message["To"]) == ("Grüße", "b@example.com")


def test_transport_and_folder_both_get_the_mail(outgoing, tmp_path, mailoutbox):
    outgoing.MAIL_TRANSPORT, outgoing.EMAIL_FOLDER = LOCMEM, str(tmp_path)

    assert send() == 1
    assert (len(mailoutbox), len(list(tmp_path.iterdir()))) == (1, 1)


def test_mail_that_was_sent_counts_as_sent_although_its_copy_fails(outgoing, tmp_path, mailoutbox):
    (tmp_path / "file").touch()
    outgoing.MAIL_TRANSPORT, outgoing.EMAIL_FOLDER = LOCMEM, str(tmp_path / "file")

    assert send() == 1


def test_folder_alone_that_cannot_be_written_is_an_error(outgoing, tmp_path):
    (tmp_path / "file").touch()
    outgoing.EMAIL_FOLDER = str(tmp_path / "file")

    with pytest.raises(OSError, match="file"):
        send()


@pytest.mark.parametrize(
    ("transport", "folder", "configured"), [("", "", False), (LOCMEM, "", True), ("", "mails", True)]
)
def test_mail_is_configured_when_it_goes_anywhere(outgoing, transport, folder, configured):
    outgoing.MAIL_TRANSPORT, outgoing.EMAIL_FOLDER = transport, folder

    assert is_configured() is configured


def test_message_reads_as_django_would_have_written_it():
    message = mail.EmailMultiAlternatives(
        f"🎫 {'Grüße ' * 30}",
        "From me:\n.\nGrüße",
        "Ñ <a@example.com>",
        ["b@example.com"],
        headers={"X-Long": "a b " * 90},
    )
    message.attach_alternative("<p>Grüße</p>" + "x" * 2_000, "text/html")
    message.attach("a.png", b"\x89PNG\r\n\x00\xff", "image/png")
    mime = message.message()
    theirs = email.message_from_bytes(mime.as_bytes(), policy=email.policy.default)

    ours = email.message_from_bytes(as_bytes(mime), policy=email.policy.default)

    assert [content_of(part) for part in ours.walk()] == [content_of(part) for part in theirs.walk()]


def content_of(part):
    """Headers but for the boundary, and the text without looking at its line ends."""
    headers = [(name, value.partition("boundary=")[0]) for name, value in part.items()]
    return headers, None if part.is_multipart() else part.get_payload(decode=True).replace(b"\r\n", b"\n")


def test_lines_end_as_mail_servers_want_it_and_none_is_too_long():
    message = mail.EmailMessage("🎫 " * 50, "One.\nTwo.", "a@example.com", ["b@example.com"]).message()

    lines = as_bytes(message).split(b"\r\n")

    assert b"\n" not in b"".join(lines)
    assert max(map(len, lines)) <= 78
