"""Where a mail goes: transport, folder, both, or nowhere yet."""

import email
import email.policy

import pytest
from django.core import mail

from homeproductions.mail.backends import OUTGOING, is_configured

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
