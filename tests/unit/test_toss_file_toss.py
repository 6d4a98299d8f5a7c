"""Received files and where they go."""

import os
from pathlib import Path

import pytest

from gateway.toss.incoming import TEMPORARY_PREFIX
from gateway.toss.notice import Notice
from gateway.toss.tosser import TossResult
from tests.support.files import allow_files, change_node, post_file, put_file
from tests.support.tossing import Pair, allow

DONE, BAD = TossResult(done_count=1), TossResult(bad_count=1)


def found(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("content", [b"", b"x", os.urandom(300_000)], ids=len)
def test_a_file_comes_into_the_incoming_of_its_sender(tmp_path: Path, content: bytes) -> None:
    pair = Pair(tmp_path)
    incoming = allow_files(pair)
    post_file(pair, b"some/where/name", content)
    assert pair.toss() == DONE
    assert found(incoming) == {"some/where/name": content}
    assert pair.received() == []


def test_what_is_logged(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    allow_files(pair)
    [packet] = post_file(pair, b"dir/name", b"12345")
    pair.toss()
    assert pair.log_text().split("\n", 2)[2] == (
        f"Who: rx\nNode: {pair.id('a')}\nPkt: {packet}\nNice: 224\nSize: 5\nType: file\nDst: dir/name\n"
        "Msg: Got file dir/name (5 B) from a\n"
    )


def test_a_name_that_is_taken_is_kept_and_the_next_free_number_used(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    incoming = allow_files(pair)
    incoming.mkdir()
    (incoming / "name").symlink_to("nowhere")
    (incoming / "name.1").mkdir()
    for number in range(3):
        put_file(pair, b"name", b"%d" % number)
    assert pair.toss() == TossResult(done_count=3)
    assert sorted(found(incoming).values()) == [b"0", b"1", b"2"]
    assert sorted(path.name for path in incoming.iterdir()) == [
        "name",
        "name.0",
        "name.1",
        "name.2",
        "name.3",
    ]
    assert (incoming / "name").is_symlink()


@pytest.mark.parametrize("path", [b"name", b"a/../name", b"./name", b"name/", b"x/y/../../name"])
def test_a_path_is_shortened(tmp_path: Path, path: bytes) -> None:
    pair = Pair(tmp_path)
    incoming = allow_files(pair)
    put_file(pair, path)
    assert pair.toss() == DONE
    assert found(incoming) == {"name": b"content"}


@pytest.mark.parametrize(
    ("path", "who", "text"),
    [
        (b"..", "rx-traversal", "leads out of the directory"),
        (b"../x", "rx-traversal", "leads out of the directory"),
        (b"a/../../x", "rx-traversal", "leads out of the directory"),
        (b"../incomingX/y", "rx-traversal", "leads out of the directory"),
        (b"", "rx-traversal", "is the directory itself"),
        (b".", "rx-traversal", "is the directory itself"),
        (b"a/..", "rx-traversal", "is the directory itself"),
        (b"out/x", "rx-traversal", "a symbolic link leads"),
        (b"up/x", "rx-traversal", "a symbolic link leads"),
        (b"/etc/x", "rx-non-rel", "non-relative destination path"),
        (b"a\0b", "rx-unmarshal", "NUL byte"),
    ],
)
@pytest.mark.parametrize("is_dry_run", [False, True])
def test_a_path_that_leads_out_keeps_the_packet_and_makes_nothing(
    tmp_path: Path, path: bytes, who: str, text: str, *, is_dry_run: bool
) -> None:
    pair = Pair(tmp_path)
    incoming = allow_files(pair)
    incoming.mkdir()
    (incoming.parent / "incomingX").mkdir()
    (incoming / "out").symlink_to("/etc")
    (incoming / "up").symlink_to("../incomingX")
    before = sorted(incoming.parent.rglob("*"))
    packet = put_file(pair, path)
    assert pair.toss(is_dry_run=is_dry_run) == BAD
    assert packet.exists()
    assert f"Who: {who}\n" in pair.log_text()
    assert text in pair.log_text()
    skipped = pair.spools["b"].root
    after = sorted(path for path in incoming.parent.rglob("*") if skipped not in path.parents)
    assert [path for path in after if path.name not in {"log", "log.lock"}] == [
        path for path in before if skipped not in path.parents
    ]


def test_without_an_incoming_files_are_refused(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    packet = put_file(pair, b"name")
    assert pair.toss() == BAD
    assert packet.exists()
    assert f"Err: {packet}: incoming is not allowed\nWho: rx-no-incoming\n" in pair.log_text()


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_packet_leaves_no_file(tmp_path: Path, damage: str) -> None:
    pair = Pair(tmp_path)
    incoming = allow_files(pair)
    packet = put_file(pair, b"name", b"x" * 300_000)
    whole = packet.read_bytes()
    packet.write_bytes(whole[:200_000] if damage == "cut" else whole[:-1] + bytes([whole[-1] ^ 1]))
    assert pair.toss() == BAD
    assert packet.exists()
    assert list(incoming.iterdir()) == []
    assert "Who: rx-unmarshal" in pair.log_text()


def test_a_dry_run_proves_the_packet_and_writes_nothing(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    incoming = allow_files(pair)
    packet = put_file(pair, b"sub/name", b"x" * 300_000)
    assert pair.toss(is_dry_run=True) == DONE
    assert packet.exists()
    assert not incoming.exists()
    packet.write_bytes(packet.read_bytes()[:-1])
    assert pair.toss(is_dry_run=True) == BAD


def test_what_a_stopped_toss_left_behind_is_removed(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    incoming = allow_files(pair)
    packet = put_file(pair, b"name")
    incoming.mkdir()
    (incoming / f"{TEMPORARY_PREFIX}{packet.name}").write_bytes(b"half")
    assert pair.toss() == DONE
    assert found(incoming) == {"name": b"content"}


def test_a_file_in_the_way_of_a_directory_keeps_the_packet(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    incoming = allow_files(pair)
    incoming.mkdir()
    (incoming / "name").write_bytes(b"file")
    packet = put_file(pair, b"name/below")
    assert pair.toss() == BAD
    assert packet.exists()
    assert "Who: rx-copy" in pair.log_text()
    assert found(incoming) == {"name": b"file"}


def test_a_file_is_told_by_mail(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    allow_files(pair)
    mail = tmp_path / "mail"
    pair.books["b"] = allow(
        pair.books["b"], "self", "sendmail", ["/bin/sh", "-c", f'echo "$@" > {mail}; cat >> {mail}', "sh"]
    )
    put_file(pair, "ü/name".encode())
    assert pair.toss(file_notice=Notice("from@x", "to@y")) == DONE
    assert mail.read_text() == (
        "to@y\nFrom: from@x\nTo: to@y\nSubject: =?UTF-8?b?RmlsZSBmcm9tIGE6IMO8L25hbWUgKDcgQik=?="
    )


def test_mail_that_cannot_be_sent_undoes_nothing(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    incoming = allow_files(pair)
    pair.books["b"] = allow(pair.books["b"], "self", "sendmail", ["/bin/false"])
    put_file(pair, b"name")
    assert pair.toss(file_notice=Notice("f", "t")) == DONE
    assert found(incoming) == {"name": b"content"}
    assert "Who: rx-notify" in pair.log_text()


def test_two_senders_may_share_a_directory(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    incoming = allow_files(pair)
    change_node(pair, "b", "self", incoming=str(incoming))
    put_file(pair, b"name", b"1")
    put_file(pair, b"name", b"2")
    assert pair.toss() == TossResult(done_count=2)
    assert sorted(found(incoming).values()) == [b"1", b"2"]
