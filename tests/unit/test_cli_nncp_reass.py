"""``nncp reass``: flags, what it prints, how it ends."""

from pathlib import Path

import pytest

from tests.support.chunked import lay_chunks
from tests.support.files import allow_files
from tests.support.nncp_verbs import Verbs, run_verb_process
from tests.support.tossing import Pair

Capture = pytest.CaptureFixture[bytes]
GOLDEN = Path(__file__).parents[1] / "vectors" / "chunked"


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    made = Pair(tmp_path)
    allow_files(made).mkdir(parents=True)
    made.write_config("b")
    return made


@pytest.fixture
def verbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verbs:
    monkeypatch.chdir(tmp_path)
    return Verbs(tmp_path, monkeypatch)


def config(pair: Pair) -> str:
    return f"-cfg={pair.directory}/b/cfg.json"


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def incoming(pair: Pair) -> Path:
    return pair.directory / "b" / "incoming"


def test_it_joins_a_file_and_says_so(pair: Pair, verbs: Verbs, capfdbinary: Capture) -> None:
    lay_chunks(incoming(pair), "name", b"12345", 2)
    assert verbs.run("reass", config(pair), "b/incoming/name.nncp.meta") == 0
    out, err = capfdbinary.readouterr()
    expected = b'Reassembling chunked file "b/incoming/name.nncp.meta": done\n'
    assert (out, err.split(b" ", 1)[1]) == (b"", expected)
    assert names(incoming(pair)) == ["name"]
    assert (incoming(pair) / "name").read_bytes() == b"12345"


def test_what_is_logged(pair: Pair, verbs: Verbs) -> None:
    path = lay_chunks(incoming(pair), "name", b"12345", 2)
    verbs.run("reass", "-quiet", config(pair), path)
    assert pair.log_text().split("\n", 2)[2] == (
        f'Who: reass\nPath: {path}\nMsg: Reassembling chunked file "{path}": done\n'
    )


@pytest.mark.parametrize("flags", [["-all"], ["-node", "a"]])
def test_all_files_of_nodes_are_joined_and_others_wait(pair: Pair, verbs: Verbs, flags: list[str]) -> None:
    for name in ("one", "two", "three"):
        lay_chunks(incoming(pair), name, b"12345", 2)
    (incoming(pair) / "two.nncp.chunk1").unlink()
    assert verbs.run("reass", "-quiet", config(pair), *flags) == 1
    assert names(incoming(pair)) == ["one", "three", "two.nncp.chunk0", "two.nncp.chunk2", "two.nncp.meta"]
    assert "Who: reass-chunk-miss" in pair.log_text()
    assert "Chunk: 1\n" in pair.log_text()
    (incoming(pair) / "two.nncp.chunk1").write_bytes(b"34")
    assert verbs.run("reass", "-quiet", config(pair), *flags) == 0
    assert names(incoming(pair)) == ["one", "three", "two"]


@pytest.mark.parametrize(("flag", "has_result"), [("-keep", True), ("-dryrun", False)])
def test_keep_and_dryrun_remove_nothing(pair: Pair, verbs: Verbs, flag: str, *, has_result: bool) -> None:
    path = lay_chunks(incoming(pair), "name", b"12345", 2)
    before = names(incoming(pair))
    assert verbs.run("reass", "-quiet", flag, config(pair), path) == 0
    assert names(incoming(pair)) == sorted([*before, "name"] if has_result else before)


@pytest.mark.parametrize("is_kept", [True, False])
def test_standard_output_gets_the_file(
    pair: Pair, verbs: Verbs, capfdbinary: Capture, *, is_kept: bool
) -> None:
    path = lay_chunks(incoming(pair), "name", b"12345", 2)
    before = names(incoming(pair))
    flags = ["-keep"] if is_kept else []
    assert verbs.run("reass", "-quiet", "-stdout", *flags, config(pair), path) == 0
    assert capfdbinary.readouterr().out == b"12345"
    assert names(incoming(pair)) == (before if is_kept else [])


def test_chunks_stay_if_nobody_takes_the_output(pair: Pair) -> None:
    path = lay_chunks(incoming(pair), "name", b"12345", 2)
    before = names(incoming(pair))
    done = run_verb_process("reass", "-stdout", config(pair), path, is_checked=False, stdout_closed=True)
    assert done.returncode == 1
    assert b"cannot write standard output" in done.stderr
    assert names(incoming(pair)) == before


def test_a_bad_chunk_is_named(pair: Pair, verbs: Verbs, capfdbinary: Capture) -> None:
    path = lay_chunks(incoming(pair), "name", b"12345", 2)
    (incoming(pair) / "name.nncp.chunk1").write_bytes(b"xx")
    assert verbs.run("reass", config(pair), path) == 1
    assert b": chunk 1: checksum is bad" in capfdbinary.readouterr().err
    assert "Err: checksum is bad\nWho: reass-chunk\n" in pair.log_text()
    assert not (incoming(pair) / "name").exists()


@pytest.mark.parametrize(
    ("name", "text"), [("x.nncp.meta", b"not a meta file"), ("x", b"invalid filename suffix"), ("no", b"")]
)
def test_what_is_no_meta_file_is_said(
    pair: Pair, verbs: Verbs, capfdbinary: Capture, name: str, text: bytes
) -> None:
    (incoming(pair) / name).write_bytes(b"no magic")
    assert verbs.run("reass", config(pair), incoming(pair) / name) == 1
    assert text in capfdbinary.readouterr().err


def test_a_file_that_is_not_there_is_an_error(pair: Pair, verbs: Verbs, capfdbinary: Capture) -> None:
    assert verbs.run("reass", "-quiet", config(pair), "missing.nncp.meta") == 1
    expected = b"nncp-reass: Can not open file: missing.nncp.meta: no such file\n"
    assert capfdbinary.readouterr().err == expected


def test_the_dump_is_gos(pair: Pair, verbs: Verbs, capfdbinary: Capture) -> None:
    assert verbs.run("reass", "-dump", config(pair), GOLDEN / "big.bin.nncp.meta") == 0
    assert capfdbinary.readouterr().out.decode() == (
        "Original filename: big.bin\nFile size: 5.7 KiB (5820 bytes)\nChunk size: 2.0 KiB (2048 bytes)\n"
        "Number of chunks: 3\nChecksums:\n"
        "\t0: 5ccdf6cc357da30644ecbbc0f30484db435a197ad1dbb0ab47af4290a2f5da94\n"
        "\t1: af17092d3a5c16f60fcecf3a6ea1b0f2113304c4e4287bbdee37f4de415aeb34\n"
        "\t2: 022ad1981fd074714f507dddf4b38a86e698cc76f5f3c6904bda909750dedb82\n"
    )


def test_a_stopped_removal_is_finished(pair: Pair, verbs: Verbs) -> None:
    path = lay_chunks(incoming(pair), "name", b"12345", 2)
    path.rename(incoming(pair) / "name.nncp.joined")
    (incoming(pair) / "name.nncp.chunk0").unlink()
    for flag in ("-dryrun", "-keep", "-dump"):
        assert verbs.run("reass", "-quiet", flag, "-all", config(pair)) == 0
    assert len(names(incoming(pair))) == 3
    assert verbs.run("reass", "-quiet", "-all", config(pair)) == 0
    assert names(incoming(pair)) == []


@pytest.mark.parametrize(
    "arguments", [[], ["-all", "-node", "a"], ["-all", "x"], ["x", "y"], ["-node", "a", "x"]]
)
def test_a_wrong_use_prints_the_usage(
    pair: Pair, verbs: Verbs, capfdbinary: Capture, arguments: list[str]
) -> None:
    assert verbs.run("reass", config(pair), *arguments) == 1
    assert b"Exactly one of FILE, -node and -all" in capfdbinary.readouterr().err


@pytest.mark.parametrize(
    ("node", "text"), [("nobody", b"Invalid -node specified"), ("self", b"has no incoming")]
)
def test_a_node_that_cannot_be_is_said(
    pair: Pair, verbs: Verbs, capfdbinary: Capture, node: str, text: bytes
) -> None:
    assert verbs.run("reass", config(pair), "-node", node) == 1
    assert text in capfdbinary.readouterr().err


def test_nothing_has_come_yet(pair: Pair, verbs: Verbs, capfdbinary: Capture) -> None:
    incoming(pair).rmdir()
    assert verbs.run("reass", config(pair), "-all") == 0
    assert capfdbinary.readouterr() == (b"", b"")
