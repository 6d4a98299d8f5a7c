"""Where a message lands in a Maildir, under which name and in which form."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.deliver.maildir import MaildirTarget, MaildirTargetSettings
from gateway.durable import Disk
from gateway.errors import ConfigError, StoreCorrupt
from gateway.message.envelope import Envelope
from gateway.msgqueue.entry import Outcome, QueuedMessage, Verdict
from tests.support.delivering import deliver_one
from tests.support.maildir import messages

BODY = b"Subject: test\r\n\r\n.hello\r\nFrom you\r\n"


def queued(*recipients: str, sender: str = "alice@a.test", first_seq: int = 1) -> QueuedMessage:
    seqs = tuple(range(first_seq, first_seq + len(recipients)))
    return QueuedMessage(
        1, "0123456789abcdef", Envelope(sender, recipients), seqs, len(BODY), "", "a", 0.0, 0
    )


def deliver(
    root: Path, message: QueuedMessage, *, pattern: str = "{domain}/{local}", **settings: Any
) -> list[Outcome]:
    made = MaildirTargetSettings(f"{root}/{pattern}", "mx.b.test", **settings)
    return deliver_one(MaildirTarget(made, Disk(is_syncing=False)), message, BODY)


def test_a_copy_for_each_recipient_with_the_envelope_in_front(tmp_path: Path) -> None:
    outcomes = deliver(tmp_path, queued("bob@b.test", "carl@b.test"))
    assert [outcome.verdict for outcome in outcomes] == [Verdict.DELIVERED] * 2
    (bob,) = messages(tmp_path / "b.test/bob")
    (carl,) = messages(tmp_path / "b.test/carl")
    front = "Return-Path: <alice@a.test>\nDelivered-To: {0}@b.test\nX-Original-To: {0}@b.test\n"
    assert bob.read_bytes() == front.format("bob").encode() + BODY.replace(b"\r\n", b"\n")
    assert carl.read_bytes() == front.format("carl").encode() + BODY.replace(b"\r\n", b"\n")


def test_the_null_sender_is_shown_as_such(tmp_path: Path) -> None:
    deliver(tmp_path, queued("bob@b.test", sender=""))
    assert messages(tmp_path / "b.test/bob")[0].read_bytes().startswith(b"Return-Path: <>\n")


def test_directories_and_messages_are_private(tmp_path: Path) -> None:
    deliver(tmp_path, queued("bob@b.test"))
    maildir = tmp_path / "b.test/bob"
    assert {path.name for path in maildir.iterdir()} == {"tmp", "new", "cur"}
    assert all((maildir / part).stat().st_mode & 0o777 == 0o700 for part in (".", "tmp", "new", "cur", ".."))
    assert messages(maildir)[0].stat().st_mode & 0o777 == 0o600
    assert list((maildir / "tmp").iterdir()) == []


@pytest.mark.parametrize("place", ["new/{}", "cur/{}:2,", "cur/{}:2,FS", "cur/{}"])
def test_a_second_try_finds_what_the_first_left(tmp_path: Path, place: str) -> None:
    deliver(tmp_path, queued("bob@b.test"))
    maildir = tmp_path / "b.test/bob"
    (first,) = messages(maildir)
    first.rename(maildir / place.format(first.name))
    (outcome,) = deliver(tmp_path, queued("bob@b.test"))
    assert outcome.verdict is Verdict.DELIVERED
    assert "already" in outcome.text
    assert len(messages(maildir)) + len(list((maildir / "cur").iterdir())) == 1


def test_a_half_written_file_of_a_crash_is_replaced(tmp_path: Path) -> None:
    deliver(tmp_path, queued("bob@b.test"))
    maildir = tmp_path / "b.test/bob"
    (first,) = messages(maildir)
    first.rename(maildir / "tmp" / first.name).write_bytes(b"half")
    deliver(tmp_path, queued("bob@b.test"))
    assert messages(maildir)[0].read_bytes().endswith(b"From you\n")
    assert list((maildir / "tmp").iterdir()) == []


def test_the_same_message_twice_for_one_address_is_two_copies(tmp_path: Path) -> None:
    deliver(tmp_path, queued("bob@b.test", "bob@b.test"))
    assert len(messages(tmp_path / "b.test/bob")) == 2


@pytest.mark.parametrize(
    ("recipient", "settings", "mailbox"),
    [
        ("Bob@B.Test", {}, "b.test/bob"),
        ("Bob@B.Test", {"is_local_folded": False}, "b.test/Bob"),
        ("bob+lists@b.test", {}, "b.test/bob+lists"),
        ("bob+lists+more@b.test", {"recipient_delimiter": "+"}, "b.test/bob"),
        ("+bob@b.test", {"recipient_delimiter": "+"}, "b.test/+bob"),
        ('"john doe"@b.test', {}, "b.test/john doe"),
        ('"bob"@b.test', {}, "b.test/bob"),
        (
            "b\N{LATIN SMALL LETTER O WITH DIAERESIS}b@b.test",
            {},
            "b.test/b\N{LATIN SMALL LETTER O WITH DIAERESIS}b",
        ),
        ("|id@b.test", {}, "b.test/|id"),
        ("-oQ@b.test", {}, "b.test/-oq"),
    ],
)
def test_which_mailbox_an_address_means(
    tmp_path: Path, recipient: str, settings: dict[str, Any], mailbox: str
) -> None:
    (outcome,) = deliver(tmp_path, queued(recipient), **settings)
    assert outcome.verdict is Verdict.DELIVERED
    (message,) = messages(tmp_path / mailbox)
    assert f"X-Original-To: {recipient}\n".encode() in message.read_bytes()


@pytest.mark.parametrize(
    "recipient",
    [
        "a/../b@b.test",
        '".."@b.test',
        '"."@b.test',
        '".hidden"@b.test',
        '"a\\\\/b"@b.test',
        "x" * 300 + "@b.test",
    ],
)
def test_an_address_that_would_leave_its_place_is_refused(tmp_path: Path, recipient: str) -> None:
    (outcome,) = deliver(tmp_path / "root", queued(recipient))
    assert (outcome.verdict, outcome.status) == (Verdict.REFUSED, "5.1.1")
    assert not (tmp_path / "root").exists()


def test_a_name_in_braces_is_a_name(tmp_path: Path) -> None:
    deliver(tmp_path, queued("{domain}@b.test"))
    assert len(messages(tmp_path / "b.test/{domain}")) == 1


def test_mailboxes_may_have_to_exist(tmp_path: Path) -> None:
    (tmp_path / "b.test/bob").mkdir(parents=True)
    outcomes = deliver(tmp_path, queued("bob@b.test", "nobody@b.test"), is_mailbox_made=False)
    assert [(outcome.verdict, outcome.status) for outcome in outcomes] == [
        (Verdict.DELIVERED, "2.0.0"),
        (Verdict.REFUSED, "5.1.1"),
    ]
    assert not (tmp_path / "b.test/nobody").exists()


def test_one_maildir_for_all_needs_no_field(tmp_path: Path) -> None:
    deliver(tmp_path, queued("bob@b.test", "carl@c.test"), pattern="all")
    assert len(messages(tmp_path / "all")) == 2


def test_a_mailbox_that_can_not_be_written_defers_its_recipient_alone(tmp_path: Path) -> None:
    (tmp_path / "b.test").mkdir()
    (tmp_path / "b.test/bob").write_bytes(b"a file, not a directory")
    outcomes = deliver(tmp_path, queued("bob@b.test", "carl@b.test"))
    assert [outcome.verdict for outcome in outcomes] == [Verdict.DEFERRED, Verdict.DELIVERED]
    assert str(tmp_path / "b.test/bob") in outcomes[0].text


def test_a_message_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def body() -> Iterator[bytes]:
        yield BODY
        raise StoreCorrupt("the body file is missing")

    target = MaildirTarget(MaildirTargetSettings(f"{tmp_path}/all", "mx.b.test"), Disk(is_syncing=False))
    (outcome,) = deliver_one(target, queued("bob@b.test"), body)
    target.close()
    assert (outcome.verdict, outcome.status) == (Verdict.REFUSED, "5.3.0")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "pattern", ["mail/{local}", "/mail/{user}", "/mail/{local", "/mail/local}", "/m/../{local}"]
)
def test_a_pattern_that_can_not_work_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="allowed: an absolute path"):
        MaildirTarget(MaildirTargetSettings(pattern, "mx.b.test"), Disk(is_syncing=False))
