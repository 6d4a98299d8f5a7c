"""What a sender asks for reaches the mail server at the far end, through two gateways."""

import smtplib
from pathlib import Path

import pytest

from tests.support.gateways import GatewayNode, mail
from tests.support.processes import wait_until
from tests.support.smtp_sink import SmtpSink

OFFERED = ("PIPELINING", "8BITMIME", "DSN", "MT-PRIORITY", "DELIVERBY")


@pytest.mark.parametrize(
    ("understands", "is_kept"), [("gateway", True), ("bsmtp", False), ("sendmail", False)]
)
def test_from_one_mail_server_to_another(place: Path, understands: str, *, is_kept: bool) -> None:
    """Another gateway gets all of it and tells the mail server; a stock neighbour gets the bare mail."""
    with SmtpSink(extensions=OFFERED) as sink:
        here = GatewayNode(place / "a", "a.test")
        there = GatewayNode(place / "b", "b.test", "--deliver", f"smtp:127.0.0.1:{sink.port}")
        here.accept(there, "--understands", understands)
        there.accept(here)
        with here.serving("--only", "smtp"), smtplib.SMTP("127.0.0.1", here.port(), timeout=60) as client:
            client.sendmail(
                "alice@a.test",
                ["bob@b.test"],
                mail(1, "alice@a.test", "bob@b.test").decode(),
                mail_options=["RET=HDRS", "ENVID=q+2B1", "MT-PRIORITY=3", "BY=86400;R"],
                rcpt_options=["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;Bob@x.test"],
            )
        here.run(
            "send", "-f", "carol@a.test", "--", "dora@b.test", stdin=mail(2, "carol@a.test", "dora@b.test")
        )
        here.run("batch", "--flush")
        here.carry_to(there, place / "stick")
        there.run("toss")
        there.run("deliver")
    wait_until(lambda: len(sink.messages) == 2, 60, "both")
    said = {command.split(">")[0]: command.partition("> ")[2] for command in sink.commands}
    asked = said["MAIL FROM:<alice@a.test"].split()
    kept = [word for word in asked if not word.startswith(("BODY", "BY"))]
    assert kept == (["RET=HDRS", "ENVID=q+2B1", "MT-PRIORITY=3"] if is_kept else [])
    seconds = [int(word[3:-2]) for word in asked if word.startswith("BY=")]
    assert all(86_000 < left <= 86_400 for left in seconds)
    assert len(seconds) == is_kept
    assert said["RCPT TO:<bob@b.test"] == "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob@x.test" * is_kept
    assert (said["MAIL FROM:<carol@a.test"], said["RCPT TO:<dora@b.test"]) == ("", "")
