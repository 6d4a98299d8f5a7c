"""How sessions ended, as the Go tools and people are told."""

from pathlib import Path

import pytest

from gateway.carry.online.ending import Ending, record_end, record_failure, record_start
from gateway.link.events import Ended, EndReason
from gateway.spool.link_record import Role
from gateway.spool.log import Log
from tests.support.online_sessions import Site


def ending(reason: EndReason = EndReason.IDLE, seconds: float = 3723.9) -> Ending:
    return Ending(
        Ended(reason, "why"),
        is_established=True,
        is_complete=True,
        seconds=seconds,
        received_bytes=1,
        sent_bytes=4_000_000,
    )


@pytest.mark.parametrize(
    ("role", "fields"),
    [
        (Role.CALLER, ["Node", "Addr", "Duration", "RxBytes", "RxSpeed", "TxBytes", "TxSpeed", "Msg"]),
        (Role.LISTENER, ["Node", "Duration", "RxBytes", "TxBytes", "RxSpeed", "TxSpeed", "Msg"]),
    ],
)
def test_the_end_of_a_session_is_told_as_the_go_tools_tell_it(
    tmp_path: Path, role: Role, fields: list[str]
) -> None:
    site = Site(tmp_path, "a")
    record_end(Log(site.log_path, quiet=True), site.peer, role, "addr", ending())
    lines = site.log_text().splitlines()
    assert [line.partition(":")[0] for line in lines if line][2:] == fields
    assert lines[-1] == (
        "Msg: Finished call with b (1:2:3): 1 B received (0 B/sec), 3.8 MiB transferred (1.0 KiB/sec)"
    )


@pytest.mark.parametrize("reason", [reason for reason in EndReason if not reason.is_clean])
def test_an_end_that_is_not_clean_is_told_with_its_reason_first(tmp_path: Path, reason: EndReason) -> None:
    site = Site(tmp_path, "a")
    record_end(Log(site.log_path, quiet=True), site.peer, Role.CALLER, "addr", ending(reason))
    assert len(site.events()) == 2
    assert site.events()[0].startswith("sp-")
    assert "Err: why\n" in site.log_text()


@pytest.mark.parametrize("reason", EndReason)
def test_a_fault_is_what_was_not_clean(reason: EndReason) -> None:
    assert ending(reason).fault == ("" if reason.is_clean else "why")


def test_a_session_shorter_than_a_second_has_a_speed(tmp_path: Path) -> None:
    site = Site(tmp_path, "a")
    record_end(Log(site.log_path, quiet=True), site.peer, Role.CALLER, "addr", ending(seconds=0.01))
    assert "Duration: 0\n" in site.log_text()
    assert "TxSpeed: 4000000\n" in site.log_text()


@pytest.mark.parametrize(("role", "is_told"), [(Role.CALLER, True), (Role.LISTENER, False)])
def test_where_a_session_is_with_is_a_field_for_who_called(
    tmp_path: Path, role: Role, *, is_told: bool
) -> None:
    site = Site(tmp_path, "a")
    record_start(Log(site.log_path, quiet=True), site.peer, role, "here:1")
    assert ("Addr: here:1\n" in site.log_text()) is is_told
    assert site.events() == ["call-started"]
    assert "b (here:1)" in site.log_text()


@pytest.mark.parametrize(("address", "what"), [("here:1", "Calling b (here:1)"), ("", "Calling b")])
def test_a_neighbour_that_was_not_met_is_told_with_the_reason(
    tmp_path: Path, address: str, what: str
) -> None:
    site = Site(tmp_path, "a")
    record_failure(Log(site.log_path, quiet=True), site.peer, address, "nobody answers")
    assert site.events() == ["calling"]
    assert "Err: nobody answers\n" in site.log_text()
    assert site.log_text().endswith(f"Msg: {what}\n")
    assert ("Addr: " in site.log_text()) is bool(address)
