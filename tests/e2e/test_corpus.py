"""Real mails go through two nodes and come out as they went in: see ``tests.support.mail_corpus``."""

import hashlib
import os
import smtplib
import subprocess
from pathlib import Path

import pytest

from tests.support import maildir
from tests.support.endpoint import Client, stuffed
from tests.support.gateways import GatewayNode, pair
from tests.support.mail_corpus import HOSTILE, REAL, content_of, corpus, keys_of, rows, verifying
from tests.support.mail_trace import without_trace
from tests.support.processes import wait_until

MAIL_COUNT = 200
SIGNED_COUNT = 100


@pytest.fixture(scope="module")
def folder() -> Path:
    """The folder, or a skip that says what is missing."""
    return corpus(REAL)


def choose(folder: Path) -> list[tuple[str, bytes]]:
    """Names and contents (LF line ends): half of them signed, the others from everywhere."""
    signed = {row["path"] for row in rows(folder / "dkim/verified.tsv")}
    known = sorted(rows(folder / "index.tsv"), key=lambda row: hashlib.sha256(row["path"].encode()).digest())
    chosen: list[tuple[str, bytes]] = []
    for wants_signature, count in ((True, SIGNED_COUNT), (False, MAIL_COUNT - SIGNED_COUNT)):
        found = []
        for row in known:
            if (row["path"] in signed) is not wants_signature or row["has_nul"] == "1":
                continue
            content = content_of(folder, row)
            if b"\r" in content or content.count(b"\nReceived:") >= 40:
                continue  # refused at the door, as other tests show
            found.append((row["path"], content))
            if len(found) == count:
                break
        assert len(found) == count
        chosen += found
    return chosen


@pytest.mark.parametrize("form", ["gateway", "bsmtp", "sendmail"])
def test_real_mails_are_unchanged_and_their_signatures_still_verify(
    place: Path, folder: Path, form: str
) -> None:
    """Body and headers are equal apart from the trace, and what DKIM proved before it proves after."""
    mails = choose(folder)
    key = keys_of(folder)
    a = GatewayNode(place / "a", "a.test")
    b = GatewayNode(place / "b", "b.test", "--deliver", f"maildir:{place / 'b' / 'mail'}/{{local}}")
    pair(a, b, "--understands", form)
    with a.serving(), smtplib.SMTP("127.0.0.1", a.port(), timeout=120) as client:
        for number, (_, content) in enumerate(mails):
            client.sendmail("s@a.test", [f"m{number}@b.test"], content.replace(b"\n", b"\r\n"))
        wait_until(lambda: len(a.states()) == MAIL_COUNT, 60, "all mails in the queue")
    a.carry_to(b, place / "stick")
    b.run("toss")
    b.run("deliver")
    before_count = after_count = 0
    for number, (name, content) in enumerate(mails):
        (path,) = maildir.messages(place / "b" / "mail" / f"m{number}")
        delivered = path.read_bytes()
        assert without_trace(delivered, content) == content, name
        if number < SIGNED_COUNT:
            before, after = verifying(content, key), verifying(delivered, key)
            assert after >= before, name
            before_count += len(before)
            after_count += len(after)
    assert before_count >= SIGNED_COUNT
    assert after_count == before_count


def hand_in(node: GatewayNode, bin_directory: Path, way: str, recipient: str, content: bytes) -> str:
    """Hand one mail in; its status if it was refused, else ""."""
    wire = stuffed(content.replace(b"\n", b"\r\n"))
    if way == "rsmtp":
        batch = f"MAIL FROM:<s@a.test>\nRCPT TO:<{recipient}>\nDATA\n".encode() + wire.replace(b"\r\n", b"\n")
        done = subprocess.run(
            [bin_directory / "rsmtp"], input=batch, capture_output=True, check=False, timeout=60,
            env={"PATH": os.defpath}, cwd="/",
        )  # fmt: skip
        assert done.returncode in {0, 65}, done.stderr
        return (done.stdout + done.stderr).decode().split()[0] if done.returncode else ""
    with Client(node.port() if way == "smtp" else node.home / "lmtp") as client:
        client.answer()
        client.command("EHLO client.test" if way == "smtp" else "LHLO client.test")
        client.begin("s@a.test", recipient)
        code, text = client.content(wire)
        return "" if code == 250 else text.split()[0]


def expected_refusal(content: bytes) -> str:
    """The status for what is refused at the door, "" for what must arrive."""
    return "5.6.0" if b"\r" in content or b"\0" in content else ""


@pytest.mark.parametrize(
    ("variable", "way", "form"),
    [
        (REAL, "smtp", "gateway"),
        (REAL, "lmtp", "bsmtp"),
        (HOSTILE, "smtp", "sendmail"),
        (HOSTILE, "lmtp", "gateway"),
        (HOSTILE, "rsmtp", "bsmtp"),
    ],
)
def test_every_mail_arrives_unchanged_or_is_refused_with_its_reason(
    place: Path, variable: str, way: str, form: str
) -> None:
    """All of a corpus: what has a bare CR or NUL is refused, everything else arrives byte for byte."""
    where = corpus(variable)
    mails = [content_of(where, row) for row in rows(where / "index.tsv")]
    a = GatewayNode(place / "a", "a.test")
    b = GatewayNode(place / "b", "b.test", "--deliver", f"maildir:{place / 'b' / 'mail'}/{{local}}")
    pair(a, b, "--understands", form)
    a.set_toml("lmtp", 'socket = "lmtp"\n')
    a.run("links", "--mail", str(place / "bin"))
    with a.serving():
        told = [
            hand_in(a, place / "bin", way, f"m{number}@b.test", content)
            for number, content in enumerate(mails)
        ]
    assert told == [expected_refusal(content) for content in mails]
    a.carry_to(b, place / "stick")
    b.run("toss")
    b.run("deliver")
    for number, content in enumerate(mails):
        found = maildir.messages(place / "b" / "mail" / f"m{number}")
        assert len(found) == (0 if told[number] else 1), number
        for path in found:
            # One may begin with a line that looks like a part of the field in front of it.
            arrived = path.read_bytes()
            added = arrived.removesuffix(content)
            assert added + content == arrived, number
            assert without_trace(added, b"") == b"", number


def test_no_recorded_attack_smuggles_a_message(place: Path) -> None:
    """Each dialogue of the corpus, as an attacker says it, leaves one message at most, to its recipient."""
    folder = corpus(HOSTILE) / "torture/synth-smtp"
    a, b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    pair(a, b, "--understands", "gateway")
    taken_count = 0
    with a.serving():
        for path in sorted(folder.iterdir()):
            said = path.read_bytes().replace(b"example.net", b"b.test").replace(b"victim.example", b"b.test")
            with Client(a.port()) as client:
                assert client.answer()[0] == 220
                head, data, rest = said.partition(b"DATA\r\n")
                lines = (head + data).splitlines(keepends=True)
                codes = []
                for line in lines:
                    client.send(line)
                    codes.append(client.answer()[0])
                if codes[-1] == 354:
                    client.send(rest)
                    taken_count += client.answer()[0] == 250
    recipients = [row["recipient"] for message in a.queue("--all") for row in message["recipients"]]
    assert recipients == ["bob@b.test"] * taken_count
