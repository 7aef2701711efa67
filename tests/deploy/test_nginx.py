"""nginx with the files that an operator copies, as Debian runs it: what it keeps, and what it lets through."""

import re

import pytest
import requests

from tests.outside import program
from tests.processes import ROOT, free_port, web_server
from tests.scale.programs import IS_ROOT, running

FILES = ("nginx.conf", "nginx-two-servers.conf")
TOKEN = "aB-_" * 10 + "aB0"
SECRET_ADDRESSES = (
    f"/orders/{TOKEN}/",
    f"/api/orders/HP261123-4K7Q0ZPA?token={TOKEN}",
    "/api/orders/HP261123-4K7Q0ZPA?email=lucia@example.com",
    f"/newsletter/confirm/{TOKEN}/",
    f"/set-password/{TOKEN}/",
)
# What Debian has around each site: it logs everything. The second site is what certbot makes of ours.
DEBIAN = """
daemon off;
pid nginx.pid;
events {{ worker_connections 64; }}
http {{
    access_log {folder}/access.log;
    error_log {folder}/error.log;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    {site}
    server {{ listen 127.0.0.1:{port}; server_name plain.example; return 301 https://$host$request_uri; }}
}}
"""


def site(name, folder, *, port, server):
    text = (ROOT / "deploy" / name).read_text().replace("/var/log/nginx", str(folder))
    text = re.sub(r"listen 80;\n    listen \[::\]:80;", f"listen 127.0.0.1:{port};", text)
    return re.sub(r"127\.0\.0\.1:8080|10\.0\.0\.12:8080", server, text)


def nginx(folder, text, port):
    user = "user root;\n" if IS_ROOT else ""
    (folder / "nginx.conf").write_text(user + DEBIAN.format(folder=folder, site=text, port=port))
    command = [program("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    return running(command, port, folder / "nginx.log")


def logged(folder, name, *, without=r"(?!)"):
    """All that nginx has written after guests came while the web server was away."""
    port = free_port()
    text = re.sub(without, "", site(name, folder, port=port, server=f"127.0.0.1:{free_port()}"))
    with nginx(folder, text, port):
        for address in SECRET_ADDRESSES:
            answer = requests.get(f"http://127.0.0.1:{port}{address}", timeout=30)
            assert answer.status_code == 502
            plain = {"Host": "plain.example"}
            requests.get(f"http://127.0.0.1:{port}{address}", headers=plain, allow_redirects=False, timeout=30)
    return "".join(path.read_text() for path in folder.glob("*.log"))


@pytest.mark.parametrize("name", FILES)
def test_nginx_keeps_no_link_and_no_address(tmp_path, name):
    text = logged(tmp_path, name)

    assert [secret for secret in (TOKEN, "lucia", "HP261123") if secret in text] == []


@pytest.mark.parametrize("line", ["access_log off;", "error_log .* crit;"])
def test_without_its_lines_nginx_would_keep_both(tmp_path, line):
    text = logged(tmp_path, "nginx.conf", without=line)

    assert [secret for secret in (TOKEN, "lucia", "HP261123") if secret not in text] == []


@pytest.mark.django_db(transaction=True)
def test_what_is_too_long_is_refused_in_the_words_of_the_api(tmp_path):
    port = free_port()
    with web_server(workers=1) as server:
        text = site("nginx.conf", tmp_path, port=port, server=server.removeprefix("http://"))
        with nginx(tmp_path, text, port):
            body = b'{"buyerName": "' + b"x" * (10 * 1024 * 1024) + b'"}'
            headers = {"Content-Type": "application/json"}
            answer = requests.post(f"http://127.0.0.1:{port}/api/orders", body, headers=headers, timeout=30)

    assert (answer.status_code, answer.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")
