"""A laptop's outbox: users log in to the daemon, which may be offline, and the mail travels later."""

import smtplib
from pathlib import Path

import pytest

from tests.support.certificates import make_certificate
from tests.support.gateways import GatewayNode, mail, pair
from tests.support.submission import trusting


def ports_of(node: GatewayNode) -> list[int]:
    """The ports that the daemon named for submission: with STARTTLS, and in TLS."""
    return [
        int(line.rpartition(":")[2])
        for line in node.log_text().splitlines()
        if " on 127.0.0.1:" in line and "SUBMISSION" in line
    ]


def test_users_come_and_go_while_the_daemon_runs(place: Path) -> None:
    """A user logs in as soon as passwd has named it and never after it was taken away; the mail arrives."""
    laptop, home = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    pair(laptop, home)
    files = make_certificate(place)
    laptop.set_toml(
        "submission",
        'listen = ["127.0.0.1:0"]\nlisten_tls = ["127.0.0.1:0"]\nfailure_delay_seconds = 0.0\n'
        f'certificate = "{files.certificate}"\nkey = "{files.key}"\n'
        '[submission.senders]\nalice = ["alice@a.test"]\n',
    )
    checked = laptop.run("check", is_checked=False)
    assert "names no user" in checked.out
    with laptop.serving("--only", "submission", "--only", "batch"):
        starttls, in_tls = ports_of(laptop)
        with smtplib.SMTP("localhost", starttls, timeout=60) as client:
            client.starttls(context=trusting(files))
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login("alice", "wonderland")
            laptop.run("passwd", "alice", stdin=b"wonderland\n")
            client.login("alice", "wonderland")
            with pytest.raises(smtplib.SMTPSenderRefused, match="may not send as"):
                client.sendmail("bob@a.test", ["bob@b.test"], mail(1, "bob@a.test", "bob@b.test").decode())
            client.sendmail("alice@a.test", ["bob@b.test"], mail(2, "alice@a.test", "bob@b.test").decode())
        laptop.run("passwd", "alice", "--delete")
        with (
            smtplib.SMTP_SSL("localhost", in_tls, timeout=60, context=trusting(files)) as client,
            pytest.raises(smtplib.SMTPAuthenticationError),
        ):
            client.login("alice", "wonderland")
        laptop.run("flush")
        laptop.wait_for_states(["sent"])
        assert "SUBMISSION in TLS on 127.0.0.1:" in laptop.log_text()
        assert "event=auth-failed" in laptop.log_text()
        assert "wonderland" not in laptop.log_text()
    laptop.carry_to(home, place / "stick")
    home.run("toss")
    home.run("deliver")
    (arrived,) = home.mails()
    assert b"with ESMTPSA id" in arrived
    assert b"Date: " in arrived


def test_a_daemon_does_not_start_with_what_can_not_work(place: Path) -> None:
    """A certificate that does not fit its key is told by check and by serve, before any port is opened."""
    node = GatewayNode(place / "a", "a.test")
    files, other = make_certificate(place), make_certificate(place, stem="other")
    node.set_toml(
        "submission",
        f'listen = ["127.0.0.1:0"]\ncertificate = "{files.certificate}"\nkey = "{other.key}"\n',
    )
    checked = node.run("check", is_checked=False)
    assert (checked.status, "key values mismatch" in checked.out) == (78, True)
    served = node.run("serve", is_checked=False, is_child=True)
    assert (served.status, "key values mismatch" in served.err) == (78, True)
