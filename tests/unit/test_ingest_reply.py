"""Answers as values."""

import pytest

from gateway.errors import (
    BadAddress,
    ConfigError,
    GatewayError,
    MailLoop,
    StoreBusy,
    StoreCorrupt,
    StoreError,
    StoreFull,
)
from gateway.ingest.reply import Reply, refusal, reply_to


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (StoreFull("disk /secret/path"), 452, "4.3.1"),
        (StoreError("x"), 451, "4.3.0"),
        (StoreBusy("x"), 451, "4.3.0"),
        (StoreCorrupt("a broken queue is not the client's fault"), 451, "4.3.0"),
        (MailLoop("too many hops"), 554, "5.4.6"),
        (BadAddress("x", status="5.1.7"), 501, "5.1.7"),
        (BadAddress("x", status="5.6.7"), 553, "5.6.7"),
        (ConfigError("x"), 554, "5.3.5"),
        (GatewayError("x", status="4.4.1"), 451, "4.4.1"),
    ],
)
def test_error_has_its_answer(error: GatewayError, code: int, status: str) -> None:
    answer = reply_to(error)
    assert (answer.code, answer.status) == (code, status)
    assert str(code)[0] == status[0]
    assert answer.is_refusal


def test_path_of_the_queue_is_not_told() -> None:
    assert "/secret" not in reply_to(StoreFull("disk /secret/path")).line


def test_text_of_an_error_can_not_break_out_of_its_line() -> None:
    line = reply_to(MailLoop("a\r\n250 Ok\0\xe9" + "x" * 1000)).line
    assert line.isascii()
    assert line.isprintable()
    assert len(line) < 500


def test_refusal_code_follows_its_status() -> None:
    assert refusal("5.7.1", "no").line == "550 5.7.1 no"
    assert refusal("4.2.1", "later").line == "450 4.2.1 later"
    assert not Reply(250, "2.0.0", "Ok").is_refusal
