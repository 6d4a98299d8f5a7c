"""Answers to file requests."""

import io
import tarfile
from pathlib import Path

import pytest

from gateway.durable import free_bytes
from gateway.packet.chunked import decode_chunk_meta
from gateway.packet.plain import PacketType, PlainHeader
from gateway.toss.notice import Notice
from gateway.toss.tosser import TossResult
from tests.support.files import allow_requests, answers, put_request
from tests.support.packets import open_layers
from tests.support.tossing import Pair, allow

DONE, BAD = TossResult(done_count=1), TossResult(bad_count=1)


def test_the_file_is_sent_with_the_niceness_that_was_asked_for(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    (allow_requests(pair) / "name").write_bytes(b"content")
    put_request(pair, b"name", b"sub/got")
    assert pair.toss() == DONE
    opened = answers(pair)[b"sub/got"]
    assert opened.payload == b"content"
    assert opened.plain == PlainHeader(PacketType.FILE, 96, b"sub/got")
    assert [job.header.nice for job in pair.waiting("a", at="b")] == [96]
    assert pair.received() == []


def test_what_is_logged(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    offered = allow_requests(pair)
    (offered / "name").write_bytes(b"content")
    packet = put_request(pair, b"name", b"got")
    pair.toss()
    [job] = pair.waiting("a", at="b")
    sent, handled = (record.split("\n", 1)[1] for record in pair.log_text().strip().split("\n\n"))
    node = pair.id("a")
    assert sent == (
        f"Who: tx\nType: file\nNode: {node}\nNice: 96\nSrc: {offered}/name\nDst: got\nSize: 283\n"
        f"Pkt: {job.packet}\nMsg: File {offered}/name (283 B) is sent to a:got"
    )
    assert handled == (
        f"Who: rx\nNode: {node}\nPkt: {packet.name}\nNice: 96\nSize: 3\nType: freq\nSrc: name\nDst: got\n"
        "Msg: Got file request name to a"
    )


@pytest.mark.parametrize(("destination", "name"), [(b"", b"dir.tar"), (b"dir", b"dir"), (b"x/..", b".")])
def test_a_directory_is_sent_as_an_archive(tmp_path: Path, destination: bytes, name: bytes) -> None:
    pair = Pair(tmp_path)
    offered = allow_requests(pair)
    (offered / "dir").mkdir()
    (offered / "dir" / "file").write_bytes(b"content")
    (offered / "dir" / "secret").symlink_to("/etc/hostname")
    put_request(pair, b"dir", destination)
    assert pair.toss() == DONE
    with tarfile.open(fileobj=io.BytesIO(answers(pair)[name].payload)) as archive:
        assert archive.getnames() == ["dir", "dir/file"]


@pytest.mark.parametrize("source", [b"", b".", b"dir/.."])
def test_all_that_is_offered_may_be_asked_for(tmp_path: Path, source: bytes) -> None:
    pair = Pair(tmp_path)
    (allow_requests(pair) / "file").write_bytes(b"content")
    put_request(pair, source, b"all")
    assert pair.toss() == DONE
    with tarfile.open(fileobj=io.BytesIO(answers(pair)[b"all"].payload)) as archive:
        assert archive.getnames() == ["offered", "offered/file"]


def test_chunks_padding_and_limit_are_those_of_the_configuration(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    offered = allow_requests(pair, chunked_bytes=1024, minsize_bytes=4096, maxsize_bytes=4096)
    (offered / "name").write_bytes(b"c" * 2500)
    put_request(pair, b"name")
    assert pair.toss() == DONE
    found = answers(pair)
    meta = decode_chunk_meta(found.pop(b"name.nncp.meta").payload)
    assert (meta.size_bytes, meta.chunk_bytes, len(meta.checksums)) == (2500, 1024, 3)
    assert sorted(found) == [b"name.nncp.chunk0", b"name.nncp.chunk1", b"name.nncp.chunk2"]
    assert b"".join(found[name].payload for name in sorted(found)) == b"c" * 2500
    assert {job.size_bytes for job in pair.waiting("a", at="b")} == {4096}


def test_an_answer_that_would_be_too_large_keeps_the_request(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    (allow_requests(pair, maxsize_bytes=1000) / "name").write_bytes(b"c" * 1000)
    packet = put_request(pair, b"name")
    assert pair.toss() == BAD
    assert packet.exists()
    assert "Too big than allowed" in pair.log_text()
    assert "Who: rx-tx" in pair.log_text()


def test_the_answer_goes_by_the_way_that_is_configured(tmp_path: Path) -> None:
    pair = Pair(tmp_path, "c", via={"a": ("c",)})
    (allow_requests(pair) / "name").write_bytes(b"content")
    put_request(pair, b"name")
    assert pair.toss() == DONE
    [job] = pair.waiting("c", at="b")
    keys = {name: pair.books[name].private_keys() for name in "abc"}
    assert open_layers(job.path.read_bytes(), keys["b"], keys["c"], keys["a"]).payload == b"content"


@pytest.mark.parametrize(
    ("source", "who", "text"),
    [
        (b"..", "rx-no-freq", "leads out of the directory"),
        (b"../offeredX/s", "rx-no-freq", "leads out of the directory"),
        (b"a/../../x", "rx-no-freq", "leads out of the directory"),
        (b"out", "rx-no-freq", "a symbolic link leads"),
        (b"etc/hostname", "rx-no-freq", "a symbolic link leads"),
        (b"/etc/hostname", "rx-non-rel", "non-relative source path"),
        (b"missing", "rx-tx", "cannot open"),
        (b"a\0b", "rx-non-rel", "NUL"),
    ],
)
def test_nothing_outside_is_sent(tmp_path: Path, source: bytes, who: str, text: str) -> None:
    pair = Pair(tmp_path)
    offered = allow_requests(pair)
    (offered.parent / "offeredX").mkdir()
    (offered.parent / "offeredX" / "s").write_bytes(b"secret")
    (offered / "out").symlink_to("../offeredX/s")
    (offered / "etc").symlink_to("/etc")
    packet = put_request(pair, source, b"got")
    assert pair.toss() == BAD
    assert packet.exists()
    assert pair.waiting("a", at="b") == []
    assert f"Who: {who}\n" in pair.log_text()
    assert text in pair.log_text()


def test_a_link_that_stays_inside_is_followed(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    offered = allow_requests(pair)
    (offered / "real").write_bytes(b"content")
    (offered / "link").symlink_to("real")
    put_request(pair, b"link", b"got")
    assert pair.toss() == DONE
    assert answers(pair)[b"got"].payload == b"content"


@pytest.mark.parametrize(
    ("destination", "text"), [(b"/abs", "Relative destination path"), (b"x" * 256, "255")]
)
def test_a_destination_that_cannot_be_is_refused(tmp_path: Path, destination: bytes, text: str) -> None:
    pair = Pair(tmp_path)
    (allow_requests(pair) / "name").write_bytes(b"content")
    packet = put_request(pair, b"name", destination)
    assert pair.toss() == BAD
    assert packet.exists()
    assert text in pair.log_text()


def test_a_huge_destination_is_no_load_on_memory(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    allow_requests(pair)
    put_request(pair, b"name", b"x" * 5_000_000)
    assert pair.toss() == BAD
    assert "more than 255 bytes" in pair.log_text()


def test_without_an_offer_requests_are_refused(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    packet = put_request(pair, b"name", b"got")
    assert pair.toss() == BAD
    assert f"Err: {packet}: freqing is not allowed\nWho: rx-no-freq\n" in pair.log_text()


def test_a_damaged_request_is_not_answered(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    (allow_requests(pair) / "name").write_bytes(b"content")
    packet = put_request(pair, b"name", b"got")
    packet.write_bytes(packet.read_bytes() + b"junk")
    assert pair.toss() == BAD
    assert pair.waiting("a", at="b") == []
    assert "Who: rx-unmarshal" in pair.log_text()


def test_a_dry_run_sends_nothing(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    (allow_requests(pair) / "name").write_bytes(b"content")
    packet = put_request(pair, b"name", b"got")
    assert pair.toss(is_dry_run=True) == DONE
    assert packet.exists()
    assert pair.waiting("a", at="b") == []


def test_an_answered_request_is_told_by_mail(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    (allow_requests(pair) / "name").write_bytes(b"content")
    mail = tmp_path / "mail"
    pair.books["b"] = allow(pair.books["b"], "self", "sendmail", ["/bin/sh", "-c", f"cat > {mail}"])
    put_request(pair, b"name", b"got")
    pair.toss(freq_notice=Notice("from@x", "to@y"))
    assert mail.read_text() == "From: from@x\nTo: to@y\nSubject: Freq from a: name"


def test_a_full_spool_keeps_the_request(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    offered = allow_requests(pair)
    with (offered / "sparse").open("wb") as file:
        file.truncate(free_bytes(tmp_path) + (1 << 30))
    packet = put_request(pair, b"sparse", b"got")
    assert pair.toss() == BAD
    assert packet.exists()
    assert "is not enough space" in pair.log_text()
