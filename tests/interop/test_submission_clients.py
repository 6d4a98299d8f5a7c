"""Real mail programs log in and submit mail."""

import re
import smtplib
import subprocess
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import make_msgid
from pathlib import Path

import pytest

from tests.support.peers import PROJECT, require, swaks
from tests.support.submission import USERS, SubmissionEndpoint, trusting

MESSAGE = (
    b"From: alice@a.test\r\nTo: bob@b.test\r\nSubject: interop\r\n"
    b"Date: Sat, 01 Jan 2000 00:00:00 +0000\r\nMessage-ID: <interop@a.test>\r\n\r\n"
    b"one line\r\n.\r\n..dots\r\nFrom the start\r\n"
)
ANYWHERE = (("127.0.0.1", 0),)
PASSWORD = USERS["alice"]


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[SubmissionEndpoint]:
    with SubmissionEndpoint(tmp_path, listen=ANYWHERE, listen_tls=ANYWHERE) as running:
        yield running


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("is_implicit", [False, True], ids=["STARTTLS", "TLS"])
def test_swaks_logs_in(endpoint: SubmissionEndpoint, mechanism: str, *, is_implicit: bool) -> None:
    """Both mechanisms work, by STARTTLS and where the connection begins with TLS."""
    options = ["--auth", mechanism, "--auth-user", "alice", "--auth-password", PASSWORD]
    options += ["--tls-on-connect" if is_implicit else "--tls"]
    port = endpoint.server.ports[1 if is_implicit else 0]
    swaks(port, "alice@a.test", ["bob@b.test", "eve@here.test"], MESSAGE, options=options)
    kept = endpoint.kept()
    assert {each.recipients for each in kept} == {("bob@b.test",), ("eve@here.test",)}
    assert {each.content for each in kept} == {MESSAGE}


def test_swaks_with_a_wrong_password(endpoint: SubmissionEndpoint) -> None:
    """Who does not know the password gets nothing through, whatever else is right."""
    options = ["--tls", "--auth", "PLAIN", "--auth-user", "alice", "--auth-password", "looking-glass"]
    dialogue = swaks(
        endpoint.port, "alice@a.test", ["bob@b.test"], MESSAGE, options=options, is_checked=False
    )
    assert dialogue.returncode == 28
    assert "535 5.7.8 name or password is wrong" in dialogue.text
    assert endpoint.kept() == []


@pytest.mark.parametrize("is_implicit", [False, True], ids=["STARTTLS", "TLS"])
def test_a_mail_program_in_python_logs_in(endpoint: SubmissionEndpoint, *, is_implicit: bool) -> None:
    """Python's smtplib, as scripts and mail programs use it, submits a message with attachments and UTF-8."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "alice@a.test", "bob@b.test", "grüße"
    message["Message-ID"] = make_msgid(domain="a.test")
    message.set_content("hello\n")
    message.add_attachment(b"\0\xff" * 5000, maintype="application", subtype="octet-stream")
    message.set_boundary("boundary")
    context = trusting(endpoint.files)
    if is_implicit:
        client: smtplib.SMTP = smtplib.SMTP_SSL("localhost", endpoint.server.ports[1], context=context)
    else:
        client = smtplib.SMTP("localhost", endpoint.port)
    with client:
        if not is_implicit:
            client.starttls(context=context)
        client.login("alice", PASSWORD)
        client.send_message(message, mail_options=["RET=HDRS", "ENVID=x1"], rcpt_options=["NOTIFY=FAILURE"])
    (kept,) = endpoint.kept()
    assert kept.view.message_id == message["Message-ID"]
    assert kept.content.startswith(b"Date: Sat, 01 Jan 2000 00:00:00 ")
    assert kept.content.endswith(message.as_bytes().replace(b"\n", b"\r\n"))


@pytest.mark.parametrize("is_implicit", [False, True], ids=["STARTTLS", "TLS"])
def test_msmtp_logs_in(endpoint: SubmissionEndpoint, tmp_path: Path, *, is_implicit: bool) -> None:
    """The sendmail of many laptops submits what a user writes, and what it lacks is added."""
    program = require("msmtp")
    port = endpoint.server.ports[1 if is_implicit else 0]
    config = tmp_path / "msmtprc"
    config.write_text(
        f"account default\nhost localhost\nport {port}\nfrom alice@a.test\nauth on\nuser alice\n"
        f"password {PASSWORD}\ntls on\ntls_starttls {'off' if is_implicit else 'on'}\n"
        f"tls_trust_file {endpoint.files.certificate}\nset_date_header off\nset_msgid_header off\n"
    )
    config.chmod(0o600)
    argv = [program, "-C", str(config), "-N", "failure", "-R", "hdrs"]
    done = subprocess.run(
        [*argv, "bob@b.test", "carl@b.test"],
        input=b"Subject: by hand\n\nhello\n.\n",
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    (kept,) = endpoint.kept()
    assert kept.recipients == ("bob@b.test", "carl@b.test")
    assert kept.view.sender == "alice@a.test"
    assert kept.content.endswith(b"\r\n\r\nhello\r\n.\r\n")
    assert b"Message-ID: <" in kept.content


def test_msmtp_as_the_guide_for_laptops_has_it(tmp_path: Path) -> None:
    """On the machine itself msmtp logs in without TLS, where that is allowed."""
    program = require("msmtp")
    with SubmissionEndpoint(tmp_path, is_tls=False, door={"is_cleartext_local": True}) as endpoint:
        guide = (PROJECT / "docs" / "howto" / "laptop-outbox.md").read_text()
        block = guide.partition("    account default\n")[2].partition("\n\n")[0]
        config = tmp_path / "msmtprc"
        config.write_text(
            "account default\n"
            + block.replace("port 2587", f"port {endpoint.port}").replace(
                '"pass show laptop-outbox"', f'"echo {PASSWORD}"'
            )
        )
        config.chmod(0o600)
        argv = [program, "-C", str(config), "--", "bob@b.test"]
        done = subprocess.run(argv, input=MESSAGE, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        (kept,) = endpoint.kept()
    assert kept.view.sender == "alice@example.org"
    # Later versions of msmtp ask for SMTPUTF8 wherever it is offered.
    assert re.search(rb" with (ESMTP|UTF8SMTP)A id ", kept.received)
