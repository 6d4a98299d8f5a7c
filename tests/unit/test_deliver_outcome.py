"""One table says what replies, exit statuses and errors mean."""

import pytest

from gateway.deliver.outcome import (
    EXIT_OUTCOMES,
    TEXT_LIMIT_CHARS,
    of_error,
    of_exit,
    of_os_error,
    of_reply,
    one_line,
)
from gateway.errors import BadAddress, StoreCorrupt, StoreFull
from gateway.msgqueue.entry import Verdict

FIRST_DIGIT = {Verdict.DELIVERED: "2", Verdict.DEFERRED: "4", Verdict.REFUSED: "5"}


@pytest.mark.parametrize("exit_status", [*range(-64, 0), *range(256)])
def test_the_first_digit_of_a_status_agrees_with_the_verdict(exit_status: int) -> None:
    outcome = of_exit("sendmail", exit_status, b"")
    assert outcome.status.startswith(FIRST_DIGIT[outcome.verdict])


def test_only_clear_faults_of_the_message_refuse_it() -> None:
    refused = {number for number, entry in EXIT_OUTCOMES.items() if entry[0] is Verdict.REFUSED}
    assert refused == {65, 67, 68, 77}


@pytest.mark.parametrize("exit_status", [1, 2, 99, 111, 255, -9, -250])
def test_an_unknown_end_is_tried_again(exit_status: int) -> None:
    assert of_exit("x", exit_status, b"").verdict is Verdict.DEFERRED


def test_the_signal_is_named() -> None:
    assert of_exit("sendmail", -9, b"").text == "sendmail was killed by SIGKILL"


@pytest.mark.parametrize(
    ("exit_status", "output", "verdict", "status", "said"),
    [
        (75, b"5.1.1 no such user\n", Verdict.REFUSED, "5.1.1", "no such user"),
        (67, b"4.2.1 mailbox locked\n", Verdict.DEFERRED, "4.2.1", "mailbox locked"),
        (1, b"  5.7.0\nnot\tyou\n", Verdict.REFUSED, "5.7.0", "not you"),
        (1, b"2.0.0 fine\n", Verdict.DEFERRED, "4.3.0", "2.0.0 fine"),
        (75, b"5.1.1x\n", Verdict.DEFERRED, "4.3.0", "5.1.1x"),
        (75, b"see 5.1.1\n", Verdict.DEFERRED, "4.3.0", "see 5.1.1"),
        (0, b"5.1.1 no such user\n", Verdict.DELIVERED, "2.0.0", "5.1.1 no such user"),
    ],
)
def test_a_failed_command_may_say_why(
    exit_status: int, output: bytes, verdict: Verdict, status: str, said: str
) -> None:
    outcome = of_exit("sendmail", exit_status, output)
    assert (outcome.verdict, outcome.status) == (verdict, status)
    assert outcome.text.endswith(said)


@pytest.mark.parametrize(
    ("code", "lines", "verdict", "status"),
    [
        (250, ["2.1.5 ok"], Verdict.DELIVERED, "2.1.5"),
        (250, ["ok"], Verdict.DELIVERED, "2.0.0"),
        (450, ["4.2.0 greylisted"], Verdict.DEFERRED, "4.2.0"),
        (451, ["later"], Verdict.DEFERRED, "4.0.0"),
        (550, ["5.1.1 no"], Verdict.REFUSED, "5.1.1"),
        (550, ["4.1.1 which now?"], Verdict.REFUSED, "5.0.0"),
        (354, ["go on"], Verdict.DEFERRED, "4.5.0"),
    ],
)
def test_a_reply_is_judged_by_its_first_digit(
    code: int, lines: list[str], verdict: Verdict, status: str
) -> None:
    outcome = of_reply("mx:25", code, lines)
    assert (outcome.verdict, outcome.status) == (verdict, status)
    assert lines[0] in outcome.text


def test_an_error_of_ours_is_judged_by_its_status() -> None:
    assert of_error(StoreFull("full")).verdict is Verdict.DEFERRED
    assert of_error(StoreCorrupt("gone")).verdict is Verdict.REFUSED
    assert of_error(BadAddress("what")).status == "5.1.3"


def test_the_operating_system_never_refuses_a_message() -> None:
    outcome = of_os_error("cannot start x", FileNotFoundError(2, "No such file or directory"))
    assert outcome.verdict is Verdict.DEFERRED
    assert outcome.text == "cannot start x: No such file or directory"


@pytest.mark.parametrize("text", ["a\r\nb", "a\x00b", "a\x1b[2Jb", "x" * 10_000, "\ud800", "a\u2028b"])
def test_a_text_is_one_printable_line(text: str) -> None:
    line = one_line(text)
    assert line.isprintable()
    assert len(line) <= TEXT_LIMIT_CHARS
