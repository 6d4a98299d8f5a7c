"""``nncp freq``: flags, what it prints, how it ends."""

from pathlib import Path

import pytest

from gateway.packet.plain import PacketType, PlainHeader
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
    return Verbs(tmp_path, monkeypatch)


def config(pair: Pair) -> str:
    return f"-cfg={pair.directory}/a/cfg.json"


def sent(pair: Pair) -> Opened:
    reader = pair.books["b"]
    own = reader.private_keys()
    [job] = pair.waiting("b")
    return open_packet(job.path.read_bytes(), own.id, own.exchprv, reader.find_keys)


def test_it_asks_and_says_so(pair: Pair, verbs: Verbs, capfdbinary: Capture) -> None:
    assert verbs.run("freq", config(pair), "b:dir/name") == 0
    out, err = capfdbinary.readouterr()
    assert (out, err.split(b" ", 1)[1]) == (b"", b"File request from b:dir/name to name is sent\n")
    opened = sent(pair)
    assert (opened.plain, opened.payload) == (PlainHeader(PacketType.FREQ, 224, b"dir/name"), b"name")


def test_what_is_logged(pair: Pair, verbs: Verbs) -> None:
    verbs.run("freq", "-quiet", "-nice", "5", "-replynice", "7", config(pair), "b:dir/name", "x/../got")
    [job] = pair.waiting("b")
    assert pair.log_text("a").split("\n", 2)[2] == (
        f"Who: tx\nType: freq\nNode: {pair.id('b')}\nNice: 5\nReplyNice: 7\nSrc: dir/name\nDst: got\n"
        f"Pkt: {job.packet}\nMsg: File request from b:dir/name to got is sent\n"
    )
    assert job.header.nice == 5
    assert sent(pair).plain.nice == 7


@pytest.mark.parametrize(
    ("arguments", "source", "destination"),
    [
        (["b:name", "../up"], b"name", b"../up"),
        (["b:", "all.tar"], b".", b"all.tar"),
        (["b:a/../b/"], b"b", b"b"),
        (["b:../x"], b"../x", b"x"),
        (["b:x:y"], b"x:y", b"x:y"),
    ],
)
def test_paths_are_cleaned(
    pair: Pair, verbs: Verbs, arguments: list[str], source: bytes, destination: bytes
) -> None:
    assert verbs.run("freq", "-quiet", config(pair), *arguments) == 0
    opened = sent(pair)
    assert (opened.plain.path, opened.payload) == (source, destination)


def test_size_and_way_are_as_the_flags_say(pair: Pair, verbs: Verbs) -> None:
    assert verbs.run("freq", "-quiet", "-minsize", "4", config(pair), "c:name") == 0
    [job] = pair.waiting("b")
    assert job.size_bytes == 4096
    keys = {name: pair.books[name].private_keys() for name in "abc"}
    assert open_layers(job.path.read_bytes(), keys["a"], keys["b"], keys["c"]).payload == b"name"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["b:/abs"], b"Relative source path required"),
        (["b:name", "/abs"], b"Relative destination path required"),
        (["b:"], b"Must provide destination filename"),
        (["b:.."], b"Must provide destination filename"),
        (["nobody:name"], b"Invalid NODE specified: "),
        ([f"b:{'x' * 256}", "got"], b"255"),
        (["-spool", "/nonexistent/spool", "b:name"], b"Can not stat spool"),
    ],
)
def test_what_cannot_be_asked_is_said(
    pair: Pair, verbs: Verbs, capfdbinary: Capture, arguments: list[str], text: bytes
) -> None:
    assert verbs.run("freq", "-quiet", config(pair), *arguments) == 1
    err = capfdbinary.readouterr().err
    assert err.startswith(b"nncp-freq: ")
    assert text in err
    assert pair.waiting("b") == []


@pytest.mark.parametrize("arguments", [[], ["b"], ["b:x", "y", "z"]])
def test_a_wrong_use_prints_the_usage(
    pair: Pair, verbs: Verbs, capfdbinary: Capture, arguments: list[str]
) -> None:
    assert verbs.run("freq", config(pair), *arguments) == 1
    assert b"Usage: nncp-freq [options] NODE:SRC [DST]\n" in capfdbinary.readouterr().err
