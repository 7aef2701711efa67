"""Permits, uploads and removals at the image host."""

import hashlib
import socket

import pytest

from homeproductions import pictures
from homeproductions.addresses import is_web_address
from homeproductions.errors import Invalid
from tests.image_host import KEY, SECRET

PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="  # the first bytes of one


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("nothing here may use the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_signature_is_sha1_over_folder_timestamp_and_transformation(cloudinary, no_network):
    permit = pictures.sign(pictures.UPLOADS)

    text = (
        f"folder=home-productions/uploads&timestamp={permit['timestamp']}"
        "&transformation=c_limit,w_1920,h_1080,q_auto,f_auto"
    )
    assert permit["signature"] == hashlib.sha1((text + SECRET).encode(), usedforsecurity=False).hexdigest()
    assert (permit["apiKey"], permit["cloudName"]) == (KEY, "nights")
    assert permit["uploadUrl"] == "https://api.cloudinary.com/v1_1/nights/image/upload"
    assert SECRET not in str(permit)


def test_nothing_is_signed_without_an_account(settings):
    with pytest.raises(pictures.CloudinaryNotConfigured):
        pictures.sign(pictures.UPLOADS)


@pytest.mark.parametrize(
    ("wish", "folder"),
    [
        (None, "home-productions/uploads"),
        ("home-productions/uploads", "home-productions/uploads"),
        ("home-productions/galleries/temp", "home-productions/galleries/temp"),
        ("home-productions/uploads/", "home-productions/uploads"),
        ("home-productions/uploads&public_id=victim", "home-productions/uploads"),
        ("home-productions/../victim", "home-productions/uploads"),
        ("home-productions/events/4b825dc6-42cb-4eb9-9a06-0e54bf8d69e1", "home-productions/uploads"),
        ("x" * 100_000, "home-productions/uploads"),
    ],
)
def test_folder_is_one_of_ours(wish, folder):
    assert pictures.shared_folder(wish) == folder


@pytest.mark.parametrize("text", [PIXEL, PIXEL.replace("png", "JPEG"), "https://example.com/a.jpg", "http://x/y?z=1"])
def test_picture_is_a_data_uri_or_a_web_address(text):
    assert pictures.is_picture(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/etc/passwd",
        "../manage.py",
        "file:///etc/passwd",
        "HTTP://example.com/a.jpg",  # the library would look for a file of this name
        "ftp://example.com/a.jpg",
        "s3://bucket/a.jpg",
        "javascript:alert(1)",
        "data:text/html;base64,PHNjcmlwdD4=",
        "data:image/svg+xml;base64,PHN2Zy8+",
        "data:image/png;base64,",
        "data:image/png,abc",
        PIXEL + "\n",
        PIXEL + "<",
        "https://example.com/" + "a" * 2000,
    ],
)
def test_what_is_no_picture_never_reaches_the_host(image_host, text):
    assert not pictures.is_picture(text)
    with pytest.raises(Invalid):
        pictures.upload(text, pictures.UPLOADS)
    assert image_host.requests == []


def test_upload_is_signed_and_made_smaller(image_host):
    picture = pictures.upload(PIXEL, "home-productions/events/1")

    (sent,) = image_host.uploads
    assert (sent["file"], sent["folder"], sent["api_key"]) == (PIXEL, "home-productions/events/1", KEY)
    signed = {name: value for name, value in sent.items() if name not in ("file", "api_key", "signature")}
    assert signed["transformation"] == "c_limit,w_1920,h_1080,q_auto,f_auto"
    text = "&".join(f"{name}={value}" for name, value in sorted(signed.items()))
    assert sent["signature"] == hashlib.sha1((text + SECRET).encode(), usedforsecurity=False).hexdigest()
    assert picture.public_id == "home-productions/events/1/picture1"
    assert picture.url.startswith("https://res.cloudinary.com/nights/")


@pytest.mark.parametrize("status", [401, 404, 420, 500, 503, 502])
def test_host_that_fails_is_a_clear_refusal(image_host, status):
    image_host.refuse = status

    with pytest.raises(pictures.UploadFailed):
        pictures.upload(PIXEL, pictures.UPLOADS)


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>",
        {},
        [],
        {"secure_url": None, "public_id": "a"},
        {"secure_url": "javascript:alert(1)", "public_id": "home-productions/uploads/a"},
        {"secure_url": "https://res.cloudinary.com/a.jpg", "public_id": "../a"},
    ],
)
def test_answer_that_makes_no_sense_is_a_clear_refusal(image_host, answer):
    image_host.answer = answer

    with pytest.raises(pictures.UploadFailed):
        pictures.upload(PIXEL, pictures.UPLOADS)


def test_picture_the_host_cannot_read_is_the_callers_mistake(image_host):
    image_host.refuse = 400

    with pytest.raises(Invalid):
        pictures.upload(PIXEL, pictures.UPLOADS)


def test_host_out_of_reach_is_a_clear_refusal(cloudinary, monkeypatch):
    monkeypatch.setattr(pictures, "HOST", "http://127.0.0.1:1")

    with pytest.raises(pictures.UploadFailed):
        pictures.upload(PIXEL, pictures.UPLOADS)


def test_removal_touches_our_own_pictures_only(image_host):
    ours = ["home-productions/events/1/a", "home-productions/galleries/temp/b"]

    pictures.discard([*ours, ours[0], None, "", "victim", "home-productions/../victim", "home-productions/a&b=c"])

    assert image_host.removed == [ours]


def test_removal_of_many_takes_few_requests_and_gives_up_on_a_dead_host(image_host):
    many = [f"home-productions/uploads/{number}" for number in range(250)]

    pictures.discard(many)
    assert [len(chunk) for chunk in image_host.removed] == [100, 100, 50]

    image_host.requests.clear()
    image_host.refuse = 500
    pictures.discard(many)
    assert len(image_host.requests) == 1


def test_removal_without_an_account_does_nothing(no_network):
    pictures.discard(["home-productions/uploads/a"])


@pytest.mark.parametrize(
    "text",
    ["http://a", "https://example.com/b?c=d#e", "HTTPS://example.com", "https://[::1]:8080/x", "https://ä.example/ö"],
)
def test_web_address_is_http_with_a_host(text):
    assert is_web_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com",
        "//example.com/a",
        "/a.jpg",
        "javascript:alert(1)",
        "JaVaScRiPt://example.com/%0aalert(1)",
        "java\nscript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "ftp://example.com",
        "file:///etc/passwd",
        "http://",
        "https:///a",
        "https:example.com",
        "https://example.com:99999",
        "https://[::1",
        "https://example.com/a b",
        "https://example.com/\x00",
        'https://example.com/"onload=x',
        "https://example.com\\@evil.example",
        "https://" + "a" * 100_000,
    ],
)
def test_anything_else_is_no_web_address(text):
    assert not is_web_address(text)
