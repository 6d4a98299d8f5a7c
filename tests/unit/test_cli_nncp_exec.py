"""``nncp exec``: flags, what it prints, how it ends."""

from pathlib import Path

import pytest

from gateway.packet.plain import PacketType, decode_exec_path
from tests.support.nncp_verbs import Verbs
from tests.support.nodes import payloads_for
from tests.support.packets import open_layers, open_packet
from tests.support.tossing import Pair, files_below

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


def test_it_sends_standard_input_and_says_so(pair: Pair, verbs: Verbs, capfdbinary: Capture) -> None:
    status = verbs.run("exec", config(pair), "b", "handle", "one", "", "two words", stdin=b"the input")
    out, err = capfdbinary.readouterr()
    assert (status, out) == (0, b"")
    assert err.split(b" ", 1)[1].startswith(b"Exec is sent to b@handle one  two words (")
    [(plain, payload)] = payloads_for(pair.spools["a"], pair.id("b"), pair.books["b"])
    assert (payload, plain.nice) == (b"the input", 224)
    assert decode_exec_path(plain.path) == (b"handle", (b"one", b"", b"two words"))
    [job] = pair.waiting("b")
    assert job.header.nice == 96


def test_what_is_logged(pair: Pair, verbs: Verbs) -> None:
    verbs.run("exec", "-quiet", "-nocompress", config(pair), "b", "handle", "arg", stdin=b"12345")
    [job] = pair.waiting("b")
    assert pair.log_text("a").split("\n", 2)[2] == (
        f"Who: tx\nType: exec\nNode: {pair.id('b')}\nNice: 96\nReplyNice: 224\nDst: handle arg\nSize: 281\n"
        f"Pkt: {job.packet}\nMsg: Exec is sent to b@handle arg (281 B)\n"
    )


def test_quiet_prints_nothing(pair: Pair, verbs: Verbs, capfdbinary: Capture) -> None:
    assert verbs.run("exec", "-quiet", config(pair), "b", "handle") == 0
    assert capfdbinary.readouterr() == (b"", b"")


def test_flags_decide_type_niceness_and_size(pair: Pair, verbs: Verbs) -> None:
    flags = ["-nice", "N+5", "-replynice", "flash", "-minsize", "4", "-nocompress"]
    assert verbs.run("exec", *flags, config(pair), "b", "handle", stdin=b"as is") == 0
    [job] = pair.waiting("b")
    assert (job.header.nice, job.size_bytes) == (165, 4096)
    reader = pair.books["b"].private_keys()
    opened = open_packet(job.path.read_bytes(), reader.id, reader.exchprv, pair.books["b"].find_keys)
    assert (opened.plain.type, opened.plain.nice, opened.payload) == (PacketType.EXEC_FAT, 32, b"as is")


@pytest.mark.parametrize(("flags", "first_hop"), [([], "b"), (["-via", "-"], "c"), (["-via", "b"], "b")])
def test_via_decides_the_way(pair: Pair, verbs: Verbs, flags: list[str], first_hop: str) -> None:
    assert verbs.run("exec", *flags, config(pair), "-nocompress", "c", "handle", stdin=b"far") == 0
    [job] = pair.waiting(first_hop)
    hops = ["b", "c"] if first_hop == "b" else ["c"]
    readers = [pair.books[name].private_keys() for name in hops]
    author = pair.books["a"].private_keys()
    assert open_layers(job.path.read_bytes(), author, *readers).payload == b"far"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["nobody", "handle"], b"unknown node 'nobody'"),
        (["area:news", "handle"], b"unknown area 'news'"),
        (["-via", "nobody", "b", "handle"], b"unknown node 'nobody'"),
        (["-nice", "foo", "b", "handle"], b"niceness 'foo'"),
        (["-replynice", "256", "b", "handle"], b"niceness '256'"),
        (["-maxsize", "1", "-nocompress", "b", "handle"], b"more than 1024 bytes"),
        (["b", "handle", "x" * 250], b"at most 255"),
        (["b", ""], b"handle is empty"),
    ],
)
def test_what_is_refused_ends_with_1_and_leaves_nothing(
    pair: Pair, verbs: Verbs, capfdbinary: Capture, arguments: list[str], text: bytes
) -> None:
    assert verbs.run("exec", config(pair), *arguments, stdin=b"x" * 3000) == 1
    assert text in capfdbinary.readouterr().err
    assert files_below(pair.spools["a"].root) == []


@pytest.mark.parametrize("arguments", [[], ["b"]])
def test_missing_arguments_print_the_usage(
    pair: Pair, verbs: Verbs, capfdbinary: Capture, arguments: list[str]
) -> None:
    assert verbs.run("exec", config(pair), *arguments) == 1
    assert b"Usage: nncp-exec" in capfdbinary.readouterr().err


@pytest.mark.parametrize("flag", ["-nosuch", "-maxsize=-1", "-minsize=x"])
def test_a_wrong_flag_ends_with_2(pair: Pair, verbs: Verbs, capfdbinary: Capture, flag: str) -> None:
    assert verbs.run("exec", flag, config(pair), "b", "handle") == 2
    assert b"Usage: nncp-exec" in capfdbinary.readouterr().err


def test_without_private_keys_it_says_so(pair: Pair, verbs: Verbs, capfdbinary: Capture) -> None:
    pair.write_config("a", self=None)
    assert verbs.run("exec", config(pair), "b", "handle") == 1
    assert b"Config lacks private keys" in capfdbinary.readouterr().err


def test_a_refusal_is_logged(pair: Pair, verbs: Verbs) -> None:
    verbs.run(
        "exec", "-quiet", "-maxsize", "1", "-nocompress", config(pair), "b", "handle", stdin=b"x" * 3000
    )
    text = pair.log_text("a")
    assert "Err: the packet holds more than 1024 bytes" in text
    assert "Size: 0\nPkt: \nMsg: Exec is sent to b@handle (0 B)" in text
