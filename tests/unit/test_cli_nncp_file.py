"""``nncp file``: flags, what it prints, how it ends."""

import os
from pathlib import Path

import pytest

from gateway.nodes import Freq
from gateway.packet.chunked import decode_chunk_meta
from gateway.packet.plain import PacketType, PlainHeader
from tests.support.files import change_node
from tests.support.nncp_verbs import Verbs
from tests.support.packets import Opened, open_layers, open_packet
from tests.support.tossing import Pair

Capture = pytest.CaptureFixture[bytes]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    made = Pair(tmp_path, "c", via={"c": ("b",)})
    made.write_config("a")
    return made


@pytest.fixture
def verbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verbs:
    monkeypatch.chdir(tmp_path)
    return Verbs(tmp_path, monkeypatch)


def config(pair: Pair) -> str:
    return f"-cfg={pair.directory}/a/cfg.json"


def sent(pair: Pair) -> dict[bytes, Opened]:
    reader = pair.books["b"]
    own = reader.private_keys()
    opened = [
        open_packet(job.path.read_bytes(), own.id, own.exchprv, reader.find_keys) for job in pair.waiting("b")
    ]
    return {one.plain.path: one for one in opened}


def test_it_sends_a_file_and_says_so(pair: Pair, verbs: Verbs, capfdbinary: Capture) -> None:
    Path("dir").mkdir()
    Path("dir/name").write_bytes(b"content")
    assert verbs.run("file", config(pair), "dir/name", "b:") == 0
    out, err = capfdbinary.readouterr()
    assert (out, err.split(b" ", 1)[1]) == (b"", b"File dir/name (283 B) is sent to b:name\n")
    opened = sent(pair)[b"name"]
    assert (opened.plain, opened.payload) == (PlainHeader(PacketType.FILE, 224, b"name"), b"content")


def test_what_is_logged(pair: Pair, verbs: Verbs) -> None:
    Path("name").write_bytes(b"content")
    verbs.run("file", "-quiet", "-nice", "77", config(pair), "name", "b:x:y")
    [job] = pair.waiting("b")
    assert pair.log_text("a").split("\n", 2)[2] == (
        f"Who: tx\nType: file\nNode: {pair.id('b')}\nNice: 77\nSrc: name\nDst: x:y\nSize: 283\n"
        f"Pkt: {job.packet}\nMsg: File name (283 B) is sent to b:x:y\n"
    )


@pytest.mark.parametrize(
    ("destination", "path"),
    [("", b"name"), ("other", b"other"), ("a/../b/./c", b"b/c"), ("../up", b"../up"), ("dir/", b"dir")],
)
def test_the_destination_is_cleaned(pair: Pair, verbs: Verbs, destination: str, path: bytes) -> None:
    Path("name").write_bytes(b"content")
    assert verbs.run("file", "-quiet", config(pair), "name", f"b:{destination}") == 0
    assert list(sent(pair)) == [path]


def test_standard_input_is_a_source(pair: Pair, verbs: Verbs) -> None:
    assert verbs.run("file", "-quiet", config(pair), "-", "b:name", stdin=b"the input") == 0
    assert sent(pair)[b"name"].payload == b"the input"


@pytest.mark.parametrize(
    ("name", "destination", "path"), [("d", "", b"d.tar"), ("d/", "x", b"x"), ("d/s/..", "", b"d.tar")]
)
def test_a_directory_is_a_source(pair: Pair, verbs: Verbs, name: str, destination: str, path: bytes) -> None:
    Path("d/s").mkdir(parents=True)
    Path("d/file").write_bytes(b"content")
    assert verbs.run("file", "-quiet", config(pair), name, f"b:{destination}") == 0
    assert list(sent(pair)) == [path]


@pytest.mark.parametrize(
    ("flags", "chunks"),
    [
        ([], 2),
        (["-chunked", "1"], 3),
        (["-chunked", "0"], 0),
        (["-chunked", "3"], 0),
        (["-chunked", "-1"], 2),
        (["-minsize", "0", "-chunked", "2"], 2),
    ],
)
def test_chunks_and_padding_are_as_configured_unless_flags_say_otherwise(
    pair: Pair, verbs: Verbs, flags: list[str], chunks: int
) -> None:
    change_node(pair, "a", "b", freq=Freq(chunked_bytes=2048, minsize_bytes=8192))
    pair.write_config("a")
    Path("name").write_bytes(b"c" * 3000)
    assert verbs.run("file", "-quiet", *flags, config(pair), "name", "b:") == 0
    found = sent(pair)
    if not chunks:
        assert list(found) == [b"name"]
    else:
        assert len(found) == chunks + 1
        assert len(decode_chunk_meta(found[b"name.nncp.meta"].payload).checksums) == chunks
    sizes = {job.size_bytes for job in pair.waiting("b")}
    assert (sizes == {8192}) is ("-minsize" not in flags)


def test_a_way_is_taken(pair: Pair, verbs: Verbs) -> None:
    Path("name").write_bytes(b"content")
    assert verbs.run("file", "-quiet", config(pair), "name", "c:") == 0
    [job] = pair.waiting("b")
    keys = {name: pair.books[name].private_keys() for name in "abc"}
    assert open_layers(job.path.read_bytes(), keys["a"], keys["b"], keys["c"]).payload == b"content"
    assert verbs.run("file", "-quiet", "-via", "-", config(pair), "name", "c:") == 0
    assert len(pair.waiting("c")) == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["missing", "b:"], b"cannot open missing: No such file"),
        (["pipe", "b:"], b"unsupported file type"),
        (["-", "b:"], b"Must provide destination filename"),
        (["name", "b:/abs"], b"Relative destination path required"),
        (["name", "nobody:"], b"Invalid NODE specified: "),
        (["name", "area:nowhere:"], b"Invalid NODE specified: "),
        (["-maxsize", "1", "large", "b:"], b"Too big than allowed"),
        (["-maxsize", "1", "-", "b:x"], b""),
        (["-nice", "nonsense", "name", "b:"], b"nonsense"),
        (["-via", "nobody", "name", "b:"], b"nobody"),
        (["name", f"b:{'x' * 256}"], b"255"),
        (["-chunked", "1", "large", f"b:{'x' * 250}"], b"255"),
        (["-spool", "/nonexistent/spool", "name", "b:"], b"Can not stat spool"),
    ],
)
def test_what_cannot_be_sent_is_said_and_leaves_nothing(
    pair: Pair, verbs: Verbs, capfdbinary: Capture, arguments: list[str], text: bytes
) -> None:
    Path("name").write_bytes(b"content")
    Path("large").write_bytes(b"c" * 2000)
    os.mkfifo("pipe")
    assert verbs.run("file", "-quiet", config(pair), *arguments, stdin=b"c" * 2000) == 1
    err = capfdbinary.readouterr().err
    assert err.startswith(b"nncp-file: ")
    assert text in err
    assert pair.waiting("b") == []
    temporaries = pair.spools["a"].layout.temporaries
    assert list(temporaries.iterdir() if temporaries.exists() else []) == []


@pytest.mark.parametrize(
    "arguments", [[], ["name"], ["name", "b"], ["name", "area:x"], ["name", "b:", "more"], ["", ""]]
)
def test_a_wrong_use_prints_the_usage(
    pair: Pair, verbs: Verbs, capfdbinary: Capture, arguments: list[str]
) -> None:
    assert verbs.run("file", config(pair), *arguments) == 1
    assert b"Usage: nncp-file [options] SRC NODE:[DST]\n" in capfdbinary.readouterr().err


def test_a_failure_is_logged_with_the_packet_it_came_at(pair: Pair, verbs: Verbs) -> None:
    Path("large").write_bytes(b"c" * 5000)
    verbs.run("file", "-quiet", "-chunked", "2", "-maxsize", "1", config(pair), "large", "b:")
    text = pair.log_text("a")
    assert "Err: Too big than allowed" in text
    assert (
        "Dst: large.nncp.chunk0\nSize: 0\nPkt: \nMsg: File large (0 B) is sent to b:large.nncp.chunk0" in text
    )
