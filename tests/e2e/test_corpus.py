"""Two hundred real mails go through two nodes and come out as they went in.

The texts belong to their senders and are not part of this project. The environment variable
NNCP_GATEWAY_CORPUS names a folder with ``index.tsv`` (columns path, from_line, has_nul, ...), the
files it lists, and ``dkim/keys.txt`` with ``dkim/verified.tsv``: signatures that verify, and the
keys to do it with. Without it these tests are skipped.
"""

import csv
import hashlib
import os
import re
import smtplib
from collections.abc import Callable
from pathlib import Path

import dkim
import pytest

from tests.support import maildir
from tests.support.gateways import GatewayNode, pair
from tests.support.mail_trace import without_trace
from tests.support.processes import wait_until

VARIABLE = "NNCP_GATEWAY_CORPUS"
MAIL_COUNT = 200
SIGNED_COUNT = 100

Key = Callable[..., bytes | None]


@pytest.fixture(scope="module")
def corpus() -> Path:
    """The folder, or a skip that says what is missing."""
    name = os.environ.get(VARIABLE, "")
    if not name:
        pytest.skip(f"{VARIABLE} is not set: it names the folder of real mails that this test sends through")
    assert (Path(name) / "index.tsv").is_file(), f"{VARIABLE}: no index.tsv in {name}"
    return Path(name)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def choose(corpus: Path) -> list[tuple[str, bytes]]:
    """Names and contents (LF line ends): half of them signed, the others from everywhere."""
    signed = {row["path"] for row in rows(corpus / "dkim/verified.tsv")}
    known = sorted(rows(corpus / "index.tsv"), key=lambda row: hashlib.sha256(row["path"].encode()).digest())
    chosen: list[tuple[str, bytes]] = []
    for wants_signature, count in ((True, SIGNED_COUNT), (False, MAIL_COUNT - SIGNED_COUNT)):
        found = []
        for row in known:
            if (row["path"] in signed) is not wants_signature or row["has_nul"] == "1":
                continue
            content = (corpus / row["path"]).read_bytes()
            if row["from_line"] == "1":
                content = content.partition(b"\n")[2]
            content = content.replace(b"\r\n", b"\n")
            if b"\r" in content or content.count(b"\nReceived:") >= 40:
                continue  # refused at the door, as other tests show
            found.append((row["path"], content if content.endswith(b"\n") else content + b"\n"))
            if len(found) == count:
                break
        assert len(found) == count
        chosen += found
    return chosen


def keys_of(corpus: Path) -> Key:
    """A look-up that stands in for the DNS."""
    records = {}
    for line in (corpus / "dkim/keys.txt").read_text().splitlines():
        name, tab, record = line.partition("\t")
        if tab and not name.startswith("#"):
            records[name.lower()] = record.encode()

    def look_up(name: bytes, timeout: int = 5) -> bytes | None:
        return records.get(name.decode().rstrip(".").lower())

    return look_up


def verifying(message: bytes, key: Key) -> set[int]:
    """Which of the signatures verify, by their place."""
    raw = re.sub(rb"\r?\n", b"\r\n", message)
    count = len(re.findall(rb"(?im)^dkim-signature:", raw.partition(b"\r\n\r\n")[0]))
    found = set()
    for index in range(count):
        verifier = dkim.DKIM(raw, minkey=512)
        try:
            if verifier.verify(idx=index, dnsfunc=key):
                found.add(index)
        except dkim.DKIMException:
            continue
    return found


@pytest.mark.parametrize("form", ["gateway", "bsmtp", "sendmail"])
def test_real_mails_are_unchanged_and_their_signatures_still_verify(
    place: Path, corpus: Path, form: str
) -> None:
    """Body and headers are equal apart from the trace, and what DKIM proved before it proves after."""
    mails = choose(corpus)
    key = keys_of(corpus)
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
