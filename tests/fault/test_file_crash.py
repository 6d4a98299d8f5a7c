"""Files, requests and chunks when the program is stopped, or the disk refuses, at any step."""

import contextlib
import errno
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import GatewayError, StoreError
from gateway.spool.store import Spool
from gateway.toss.reassembly import (
    finish_removal,
    is_joined,
    join_chunks,
    prove_chunks,
    read_chunked_file,
    remove_chunks,
)
from gateway.tx.file_packet import FileRequest, send_file
from gateway.tx.file_records import FileRecorder
from gateway.tx.file_source import FileSource
from gateway.tx.posting import post_to
from gateway.tx.sealing import Route
from tests.support.chunked import lay_chunks
from tests.support.crash import run_until_step
from tests.support.files import allow_files, allow_requests, answers, put_file, put_request
from tests.support.packets import Opened, open_packet
from tests.support.tossing import Pair, failing_disk, files_below, packets_below

STEP_LIMIT = 200
CONTENT = bytes(range(256)) * 1000
LARGE = bytes(range(256)) * 12_000
"""So much is written by a thread of its own."""


def arrived(incoming: Path) -> list[bytes]:
    """What lies in incoming under names of files; each was written whole."""
    named = [path for path in files_below(incoming) if not path.name.startswith("nncpfile")]
    return [path.read_bytes() for path in named]


def pair_with_file(directory: Path, content: bytes = CONTENT) -> tuple[Pair, Path]:
    pair = Pair(directory)
    incoming = allow_files(pair)
    put_file(pair, b"new/sub/name", content)
    return pair, incoming


@pytest.mark.parametrize("whole", [CONTENT, LARGE], ids=["small", "large"])
def test_a_stop_at_any_step_delivers_the_file_at_least_once_and_never_in_part(
    tmp_path: Path, whole: bytes
) -> None:
    """Under its name a file is whole; the next toss delivers what a stop kept back, and cleans up."""
    stopped_count = 0
    for step in range(STEP_LIMIT):
        pair, incoming = pair_with_file(tmp_path / str(step), whole)

        def work(disk: Disk, pair: Pair = pair) -> None:
            pair.toss(disk=disk)

        was_stopped, _ = run_until_step(step, work)
        assert all(content == whole for content in arrived(incoming))
        assert pair.received() or arrived(incoming)
        pair.toss()
        assert pair.received() == []
        assert arrived(incoming) in ([whole], [whole, whole])
        assert not list(incoming.rglob("nncpfile*"))
        if not was_stopped:
            assert arrived(incoming) == [whole]
            break
        stopped_count += 1
    else:
        raise AssertionError("toss never came to its end")
    assert stopped_count > 8


@pytest.mark.parametrize("whole", [CONTENT, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_refuses_any_step_keeps_the_packet_and_leaves_no_part(
    tmp_path: Path, number: int, whole: bytes
) -> None:
    """A refusal is told and the packet stays until the file is there; no temporary is left."""
    for step in range(STEP_LIMIT):
        pair, incoming = pair_with_file(tmp_path / str(step), whole)
        disk, steps = failing_disk(step, number)
        result = pair.toss(disk=disk)
        assert all(content == whole for content in arrived(incoming))
        assert not list(incoming.rglob("nncpfile*"))
        if len(steps) <= step:
            assert result.done_count == 1
            break
        if result.bad_count:
            assert "made to fail" in pair.log_text()
        assert pair.received() or arrived(incoming)
        pair.toss()
        assert arrived(incoming) in ([whole], [whole, whole])
    else:
        raise AssertionError("toss never came to its end")


def test_the_directories_on_the_way_are_synced_before_the_packet_goes(tmp_path: Path) -> None:
    """The packet is removed only after file, name and every new directory would survive a power cut."""
    pair, incoming = pair_with_file(tmp_path)
    steps: list[tuple[str, Path]] = []
    pair.toss(disk=Disk(is_syncing=False, hook=lambda step, path: steps.append((step, path))))
    removed = next(n for n, (step, path) in enumerate(steps) if step == "remove" and "rx" in path.parts)
    before = steps[:removed]
    for directory in (incoming.parent, incoming, incoming / "new", incoming / "new" / "sub"):
        assert ("sync-directory", directory) in before
    named = before.index(("rename", incoming / "new" / "sub" / "name"))
    assert "sync" in [step for step, path in before[:named] if path.name.startswith("nncpfile")]


def test_a_stop_at_any_step_answers_a_request_at_least_once(tmp_path: Path) -> None:
    """Each queued packet is whole, and the next toss completes the answer."""
    for step in range(STEP_LIMIT):
        pair = Pair(tmp_path / str(step))
        (allow_requests(pair, chunked_bytes=100_000) / "name").write_bytes(CONTENT)
        put_request(pair, b"name", b"got")

        def work(disk: Disk, pair: Pair = pair) -> None:
            pair.toss(disk=disk)

        was_stopped, _ = run_until_step(step, work)
        packets_below(pair.spools["b"].root)
        assert pair.received() or len(answers(pair)) == 4
        pair.toss()
        assert pair.received() == []
        assert sorted(answers(pair)) == [
            b"got.nncp.chunk0",
            b"got.nncp.chunk1",
            b"got.nncp.chunk2",
            b"got.nncp.meta",
        ]
        if not was_stopped:
            break
    else:
        raise AssertionError("toss never came to its end")
    assert step > 10


def send_chunks(pair: Pair, disk: Disk, pieces: Iterable[bytes] = (CONTENT,)) -> Spool:
    """Send a file in three chunks and a meta file."""
    book = pair.books["a"]
    spool = Spool(pair.spools["a"].root, disk)
    post = post_to(spool, book.private_keys(), Route(book.find("b")))
    recorder = FileRecorder(pair.log("a"), book.find("b"), 224, "-")
    request, source = FileRequest(b"name", chunk_bytes=100_000), FileSource("-", pieces)
    send_file(post, request, source, free_bytes=1 << 40, recorder=recorder)
    return spool


def temporaries(pair: Pair) -> list[Path]:
    directory = pair.spools["a"].layout.temporaries
    return list(directory.iterdir()) if directory.exists() else []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_chunks_that_the_disk_refuses_are_told_and_all_taken_back(tmp_path: Path, number: int) -> None:
    """Whatever step fails: all packets of the file are in tx, or none, and no temporary is left."""
    for step in range(STEP_LIMIT):
        pair = Pair(tmp_path / str(step))
        disk, steps = failing_disk(step, number)
        fault: GatewayError | None = None
        try:
            send_chunks(pair, disk)
        except GatewayError as error:
            fault = error
        assert len(packets_below(pair.spools["a"].root)) == (4 if fault is None else 0)
        assert ("Err: " in pair.log_text("a")) is (fault is not None)
        assert temporaries(pair) == []
        if len(steps) <= step:
            break
    else:
        raise AssertionError("sending never came to its end")
    assert step > 30


def test_a_stop_at_any_step_leaves_no_chunk_of_a_file_that_was_not_sealed_to_its_end(tmp_path: Path) -> None:
    """Only when all are sealed the first goes to tx; and the meta file never before the last chunk."""
    for step in range(STEP_LIMIT):
        pair = Pair(tmp_path / str(step))

        def work(disk: Disk, pair: Pair = pair) -> None:
            send_chunks(pair, disk)

        was_stopped, _ = run_until_step(step, work)
        packets_below(pair.spools["a"].root)
        names = [opened.plain.path for opened in queued(pair)]
        if len(names) < 4:
            assert b"name.nncp.meta" not in names
            # The copy of a header is written as a temporary too.
            assert not names or len(names) + len(temporaries(pair)) >= 4
        if not was_stopped:
            assert (len(names), temporaries(pair)) == (4, [])
            break
    else:
        raise AssertionError("sending never came to its end")
    assert step > 30


def queued(pair: Pair) -> list[Opened]:
    """What a has queued for b."""
    book = pair.books["b"]
    own = book.private_keys()
    return [
        open_packet(job.path.read_bytes(), own.id, own.exchprv, book.find_keys) for job in pair.waiting("b")
    ]


def test_a_source_that_ends_in_an_error_or_an_interrupt_queues_no_chunk(tmp_path: Path) -> None:
    """A source that fails, and a Ctrl-C, leave neither packets nor temporaries."""
    for number, ending in enumerate((StoreError("gone"), KeyboardInterrupt())):
        pair = Pair(tmp_path / str(number))

        def pieces(pair: Pair = pair, ending: BaseException = ending) -> Iterator[bytes]:
            yield CONTENT
            assert len(temporaries(pair)) == 3
            raise ending

        with pytest.raises(type(ending)):
            send_chunks(pair, Disk(is_syncing=False), pieces())
        assert pair.waiting("b") == []
        assert temporaries(pair) == []


def reassemble(path: Path, disk: Disk) -> None:
    if is_joined(path):
        finish_removal(path, disk)
    if path.exists():
        file = read_chunked_file(path)
        prove_chunks(file)
        join_chunks(file, disk)
        remove_chunks(file, disk)


def test_a_stop_at_any_step_of_joining_loses_nothing(tmp_path: Path) -> None:
    """The whole file is there or all its chunks are; the next run leaves the file and nothing else."""
    stopped_count = 0
    for step in range(STEP_LIMIT):
        place = tmp_path / str(step)
        place.mkdir()
        meta = lay_chunks(place, "name", CONTENT, 100_000)

        def work(disk: Disk, meta: Path = meta) -> None:
            reassemble(meta, disk)

        was_stopped, _ = run_until_step(step, work)
        joined = [path for path in (place / "name", place / "name.0") if path.exists()]
        if not joined:
            prove_chunks(read_chunked_file(meta))
        reassemble(meta, Disk(is_syncing=False))
        found = files_below(place)
        assert [path.name for path in found] in (["name"], ["name", "name.0"])
        assert all(path.read_bytes() == CONTENT for path in found)
        if not was_stopped:
            assert len(found) == 1
            break
        stopped_count += 1
    else:
        raise AssertionError("joining never came to its end")
    assert stopped_count > 10


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_refuses_any_step_of_joining_loses_nothing(tmp_path: Path, number: int) -> None:
    """A full disk leaves all chunks and no part of the file."""
    for step in range(STEP_LIMIT):
        place = tmp_path / str(step)
        place.mkdir()
        meta = lay_chunks(place, "name", CONTENT, 100_000)
        disk, steps = failing_disk(step, number)
        with contextlib.suppress(GatewayError):
            reassemble(meta, disk)
        if len(steps) > step:
            assert not list(place.glob("nncpreass*"))
            if not (place / "name").exists():
                prove_chunks(read_chunked_file(meta))
        if len(steps) <= step:
            break
        reassemble(meta, Disk(is_syncing=False))
        assert all(path.read_bytes() == CONTENT for path in files_below(place))
        assert (place / "name").exists()
    else:
        raise AssertionError("joining never came to its end")


def test_chunks_go_only_after_the_result_is_synced(tmp_path: Path) -> None:
    """Nothing is removed before the joined file and its name would survive a power cut."""
    meta = lay_chunks(tmp_path, "name", CONTENT, 100_000)
    steps: list[tuple[str, str]] = []
    reassemble(meta, Disk(is_syncing=False, hook=lambda step, path: steps.append((step, path.name))))
    named = steps.index(("rename", "name"))
    assert "sync" in [step for step, _ in steps[:named]]
    assert steps[named + 2] == ("sync-directory", tmp_path.name)
    assert "remove" not in [step for step, _ in steps[: named + 3]]
