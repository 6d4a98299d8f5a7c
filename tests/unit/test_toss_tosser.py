"""What becomes of each packet, and what the log says of it."""

from pathlib import Path
from typing import Any

import pytest

from gateway.durable import Disk
from gateway.errors import ConfigError
from gateway.nodes import Book
from gateway.packet.plain import PacketType
from gateway.spool.layout import LockKind
from gateway.toss.notice import Notice
from gateway.toss.packet import payload_size_bytes
from gateway.toss.tosser import Tosser, TossResult, TossSettings
from tests.support.packets import open_packet, seal_packet
from tests.support.tossing import Pair, exec_header, forget

DONE = TossResult(done_count=1)
BAD = TossResult(bad_count=1)
LEFT = TossResult(left_count=1)


def test_an_exec_runs_its_handler_and_goes(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    out = tmp_path / "out"
    pair.allow(
        "show", ["/bin/sh", "-c", f'{{ printf "[%s]" "$@"; /usr/bin/env; cat; }} > {out}', "sh", "own"]
    )
    path = pair.send("show", b"the input", "", "a b", reply_nice=99)
    assert pair.toss() == DONE
    text = out.read_text()
    assert text.startswith("[own][][a b]")
    for line in (f"NNCP_SELF={pair.id('b')}", f"NNCP_SENDER={pair.id('a')}", "NNCP_NICE=99"):
        assert line in text.splitlines()[0] + "\n" + text
    assert text.endswith("the input")
    assert not path.exists()
    assert not (path.parent / "hdr" / path.name).exists()


@pytest.mark.parametrize("is_compressed", [True, False])
def test_what_is_logged_of_an_exec(tmp_path: Path, *, is_compressed: bool) -> None:
    pair = Pair(tmp_path)
    pair.record("x")
    path = pair.send("x", b"q" * 100, "arg", is_compressed=False, nice=50)
    pair.toss()
    assert pair.log_text().split("\n", 2)[2] == (
        f"Who: rx\nNode: {pair.id('a')}\nPkt: {path.name}\nNice: 50\nSize: 100\nType: exec\nDst: x arg\n"
        "Msg: Got exec from a to x arg (100 B)\n"
    )
    assert is_compressed in {True, False}


def test_a_failing_handler_keeps_the_packet_and_its_output_is_logged(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.allow("x", ["/bin/sh", "-c", "echo one; echo two >&2; exit 3"])
    path = pair.send("x", b"body")
    assert pair.toss() == BAD
    assert path.exists()
    text = pair.log_text()
    assert f"Err: {path}: exit status 3\nWho: rx-handle\n" in text
    assert "Output: one\n+ two\n" in text


def test_one_bad_packet_does_not_stop_the_others(tmp_path: Path) -> None:
    pair = Pair(tmp_path, "c")
    pair.allow("bad", ["/bin/false"])
    out = pair.record("good")
    for number in range(6):
        pair.send("bad" if number % 2 else "good", b"%d" % number)
    pair.put(b"not a packet" * 100)
    assert pair.toss() == TossResult(done_count=3, bad_count=4)
    assert sorted(out.read_text()) == ["0", "2", "4"]


def test_removals_of_a_run_are_synced_together_and_before_its_end(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.allow("x", ["/bin/true"])
    box = {pair.send("x", b"%d" % number).parent for number in range(3)}.pop()
    steps: list[tuple[str, Path]] = []
    disk = Disk(hook=lambda step, path: steps.append((step, path)))
    assert pair.toss(disk=disk) == TossResult(done_count=3)
    removed = [number for number, (step, path) in enumerate(steps) if step == "remove" and path.parent == box]
    assert len(removed) == 3
    assert ("sync-directory", box) not in steps[removed[0] : removed[-1]]
    assert ("sync-directory", box) in steps[removed[-1] :]


@pytest.mark.parametrize(
    ("kind", "flag"),
    [
        (PacketType.FILE, "no_file"),
        (PacketType.FREQ, "no_freq"),
        (PacketType.EXEC, "no_exec"),
        (PacketType.EXEC_FAT, "no_exec"),
        (PacketType.TRNS, "no_trns"),
        (PacketType.AREA, "no_area"),
        (PacketType.ACK, "no_ack"),
    ],
)
def test_a_type_that_is_switched_off_is_left_without_a_word(tmp_path: Path, kind: int, flag: str) -> None:
    pair = Pair(tmp_path)
    path = pair.put_typed(kind, b"p" * 32, b"payload" * 100_000)
    switched_off: dict[str, Any] = {flag: True}
    assert pair.toss(**switched_off) == LEFT
    assert path.exists()
    assert pair.log_text() == ""


@pytest.mark.parametrize("kind", [0, 8, 255])
def test_an_unknown_type_is_bad(tmp_path: Path, kind: int) -> None:
    pair = Pair(tmp_path)
    path = pair.put_typed(kind, b"path")
    assert pair.toss() == BAD
    assert path.exists()
    assert f"Err: {path}: unknown type {kind}" in pair.log_text()
    assert "Who: rx-type-unknown" in pair.log_text()


class TestRelaying:
    def test_a_packet_for_another_node_goes_to_its_tx_verbatim(self, tmp_path: Path) -> None:
        pair = Pair(tmp_path, "c", via={"c": ("b",)})
        path = pair.send("x", b"for c", to="c", nice=50)
        reader = pair.books["b"].private_keys()
        inner = open_packet(path.read_bytes(), reader.id, reader.exchprv, pair.books["b"].find_keys).payload
        assert pair.toss() == DONE
        [job] = pair.waiting("c", at="b")
        assert job.path.read_bytes() == inner
        assert not path.exists()
        size = len(inner)
        assert f"Who: tx\nType: trns\nNode: {pair.id('c')}\nNice: 50\nSize: {size}\n" in pair.log_text()
        assert f"Msg: Transitional packet to c ({size} B) (nice P-46)\n" not in pair.log_text()
        assert f"Got transitional packet from a to c ({size} B)" in pair.log_text()

    def test_an_unknown_recipient_keeps_the_packet(self, tmp_path: Path) -> None:
        pair = Pair(tmp_path, "c", via={"c": ("b",)})
        path = pair.send("x", b"for c", to="c")
        pair.books["b"] = forget(pair.books["b"], "c")
        assert pair.toss() == BAD
        assert path.exists()
        assert "Who: rx-unknown" in pair.log_text()
        assert f"Dst: {pair.id('c')}" in pair.log_text()

    def test_a_recipient_that_is_no_id_keeps_the_packet(self, tmp_path: Path) -> None:
        pair = Pair(tmp_path)
        path = pair.put_typed(PacketType.TRNS, b"short", b"x" * 500)
        assert pair.toss() == BAD
        assert path.exists()
        assert "5 bytes, not 32" in pair.log_text()

    def test_what_is_inside_must_be_a_packet(self, tmp_path: Path) -> None:
        pair = Pair(tmp_path, "c")
        path = pair.put_typed(PacketType.TRNS, pair.id("c").raw, b"x" * 500)
        assert pair.toss() == BAD
        assert path.exists()
        assert pair.waiting("c", at="b") == []


class TestSettings:
    def test_a_dry_run_proves_but_changes_nothing(self, tmp_path: Path) -> None:
        pair = Pair(tmp_path, "c", via={"c": ("b",)})
        out = pair.record("x")
        kept = [pair.send("x", b"body"), pair.send("x", b"relayed", to="c"), pair.send("none", b"")]
        assert pair.toss(is_dry_run=True) == TossResult(done_count=2, bad_count=1)
        assert all(path.exists() for path in kept)
        assert not out.exists()
        assert pair.waiting("c", at="b") == []
        assert "Got exec from a to x" in pair.log_text()

    def test_a_seen_marker_is_left_only_when_asked_for(self, tmp_path: Path) -> None:
        pair = Pair(tmp_path)
        pair.record("x")
        seen = [path.parent / "seen" / path.name for path in (pair.send("x", b"1"),)]
        pair.toss()
        assert not seen[0].exists()
        path = pair.send("x", b"2")
        pair.toss(is_seen_marked=True)
        assert (path.parent / "seen" / path.name).read_bytes() == b""

    def test_a_seen_marker_does_not_stop_toss(self, tmp_path: Path) -> None:
        pair = Pair(tmp_path)
        out = pair.record("x")
        path = pair.send("x", b"again")
        raw = path.read_bytes()
        pair.toss(is_seen_marked=True)
        pair.put(raw)
        assert pair.toss() == DONE
        assert out.read_text() == "againagain"

    @pytest.mark.parametrize(("nice", "expected"), [(49, TossResult()), (50, DONE)])
    def test_packets_of_higher_niceness_wait(self, tmp_path: Path, nice: int, expected: TossResult) -> None:
        pair = Pair(tmp_path)
        pair.record("x")
        pair.send("x", b"", nice=50)
        assert pair.toss(nice=nice) == expected

    def test_only_the_named_nodes_are_tossed(self, tmp_path: Path) -> None:
        pair = Pair(tmp_path, "c")
        pair.record("x")
        pair.send("x", b"")
        tosser = Tosser(pair.books["b"], pair.spools["b"], pair.log(), TossSettings())
        assert tosser.run_once({pair.id("c")}) == TossResult()
        assert tosser.run_once({pair.id("a")}) == DONE

    def test_it_stops_between_packets_when_asked_to(self, tmp_path: Path) -> None:
        pair = Pair(tmp_path)
        out = pair.record("x")
        for _ in range(3):
            pair.send("x", b"1")
        tosser = Tosser(pair.books["b"], pair.spools["b"], pair.log(), TossSettings(), is_stopping=out.exists)
        assert tosser.run_once() == DONE
        assert len(pair.received()) == 2
        assert tosser.run_once() == TossResult()

    def test_a_handler_over_its_time_is_killed_and_the_packet_stays(self, tmp_path: Path) -> None:
        pair = Pair(tmp_path)
        pair.allow("x", ["/bin/sleep", "600"])
        path = pair.send("x", b"")
        assert pair.toss(handler_timeout_seconds=0.2) == BAD
        assert path.exists()
        assert "did not end within 0.2 s" in pair.log_text()


class TestNotices:
    SENDMAIL = '{ echo "to $1"; cat; echo; } >> %s'

    def mailing(self, pair: Pair, script: str) -> None:
        pair.allow("sendmail", ["/bin/sh", "-c", script, "sh"], sender="self")

    @pytest.mark.parametrize("key", ["a.x", "*.x"])
    def test_what_an_exec_did_is_mailed(self, tmp_path: Path, key: str) -> None:
        pair, mails = Pair(tmp_path), tmp_path / "mails"
        pair.allow("x", ["/bin/true"])
        self.mailing(pair, self.SENDMAIL % mails)
        pair.send("x", b"", "arg")
        assert pair.toss(notices={key: Notice("f@x", "t@y")}) == DONE
        assert mails.read_text() == "to t@y\nFrom: f@x\nTo: t@y\nSubject: Exec from a: x arg\n"

    def test_the_notice_of_the_node_goes_before_that_of_all(self, tmp_path: Path) -> None:
        pair, mails = Pair(tmp_path), tmp_path / "mails"
        pair.allow("x", ["/bin/true"])
        self.mailing(pair, self.SENDMAIL % mails)
        pair.send("x", b"")
        notices = {"*.x": Notice("f", "all"), "a.x": Notice("f", "own"), "a.y": Notice("f", "no")}
        pair.toss(notices=notices)
        assert mails.read_text().startswith("to own\n")

    def test_other_handles_and_failures_are_not_mailed(self, tmp_path: Path) -> None:
        pair, mails = Pair(tmp_path), tmp_path / "mails"
        pair.allow("x", ["/bin/true"])
        pair.allow("bad", ["/bin/false"])
        self.mailing(pair, self.SENDMAIL % mails)
        pair.send("x", b"")
        pair.send("bad", b"")
        pair.toss(notices={"a.bad": Notice("f", "t")})
        assert not mails.exists()

    def test_a_mailer_that_fails_does_not_undo_the_exec(self, tmp_path: Path) -> None:
        pair = Pair(tmp_path)
        pair.allow("x", ["/bin/true"])
        self.mailing(pair, "exit 75")
        path = pair.send("x", b"")
        assert pair.toss(notices={"*.x": Notice("f", "t")}) == DONE
        assert not path.exists()
        assert "Who: rx-notify" in pair.log_text()


def test_the_sender_is_who_signed_not_whose_directory_it_lies_in(tmp_path: Path) -> None:
    pair = Pair(tmp_path, "c")
    pair.allow("x", ["/bin/true"], sender="c")
    author, reader = pair.books["c"].private_keys(), pair.books["b"].private_keys()
    pair.put(seal_packet(b"", author, reader, plain=exec_header("x")), sender="a")
    assert pair.toss() == DONE
    assert "Got exec from c to x" in pair.log_text()


def test_a_directory_that_another_process_tosses_is_passed_over(tmp_path: Path) -> None:
    pair = Pair(tmp_path, "c")
    out = pair.record("x")
    pair.send("x", b"locked")
    with pair.spools["b"].lock(pair.id("a"), LockKind.TOSS):
        assert pair.toss() == TossResult()
    assert "Who: lockdir-flock" in pair.log_text()
    assert pair.toss() == DONE
    assert out.read_text() == "locked"


def test_a_configuration_without_private_keys_cannot_toss(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.books["b"] = Book(None, pair.books["b"].nodes)
    with pytest.raises(ConfigError, match="private keys"):
        pair.toss()


@pytest.mark.parametrize(
    ("file_size_bytes", "payload_bytes"), [(480, 0), (499, 19), (300_512, 300_000), (979, 499), (3, 0)]
)
def test_the_size_in_the_log_is_computed_from_the_file(file_size_bytes: int, payload_bytes: int) -> None:
    assert payload_size_bytes(file_size_bytes) == payload_bytes
