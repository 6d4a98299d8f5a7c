"""``nncp hash``: flags, what it prints, how it ends."""

from pathlib import Path

import pytest

from gateway.packet.mth import mth
from tests.support.nncp_verbs import Verbs

Capture = pytest.CaptureFixture[bytes]
CONTENT = bytes(range(256)) * 2000


@pytest.fixture
def verbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verbs:
    return Verbs(tmp_path, monkeypatch)


@pytest.mark.parametrize("content", [b"", b"x", CONTENT])
def test_standard_input_is_hashed(verbs: Verbs, capfdbinary: Capture, content: bytes) -> None:
    assert verbs.run("hash", stdin=content) == 0
    assert capfdbinary.readouterr() == (mth(content).hex().encode() + b"\n", b"")


@pytest.mark.parametrize("flags", [[], ["-seek", "131073"], ["-force-fat"], ["-debug"], ["-progress"]])
def test_a_file_is_hashed_with_any_flags(
    verbs: Verbs, tmp_path: Path, capfdbinary: Capture, flags: list[str]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    assert verbs.run("hash", *flags, "-file", path) == 0
    assert capfdbinary.readouterr().out == mth(CONTENT).hex().encode() + b"\n"


@pytest.mark.parametrize(
    ("flags", "status", "text"),
    [
        (["-file", "/no/such/file"], 1, b"/no/such/file"),
        (["-file", "/"], 1, b"directory"),
        (["-seek", "5"], 1, b"-file is required with -seek"),
        (["-cfg", "x"], 2, b"flag provided but not defined: -cfg"),
    ],
)
def test_what_cannot_be_hashed_is_said(
    verbs: Verbs, capfdbinary: Capture, flags: list[str], status: int, text: bytes
) -> None:
    assert verbs.run("hash", *flags) == status
    out, err = capfdbinary.readouterr()
    assert out == b""
    assert text in err
