"""``nncp log``: a line for each record."""

from pathlib import Path

import pytest

from tests.support.nncp_verbs import Verbs
from tests.support.tossing import Pair

Capture = pytest.CaptureFixture[bytes]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    made = Pair(tmp_path)
    made.write_config("b")
    return made


@pytest.fixture
def verbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verbs:
    return Verbs(tmp_path, monkeypatch)


def test_log_prints_a_line_for_each_record(pair: Pair, verbs: Verbs, capfdbinary: Capture) -> None:
    (pair.directory / "b" / "log").write_text("\nWhen: 2026-11-20T11:44:12.7Z\nWho: x\nMsg: done\n")
    assert verbs.run("log", f"-cfg={pair.directory}/b/cfg.json") == 0
    assert capfdbinary.readouterr().out == b"2026-11-20T11:44:12Z done\n"
    assert verbs.run("log", f"-cfg={pair.directory}/b/cfg.json", "-debug") == 0
    assert capfdbinary.readouterr().out.startswith(b"When:'2026")
    (pair.directory / "b" / "log").write_text("garbage\n")
    assert verbs.run("log", f"-cfg={pair.directory}/b/cfg.json") == 1
    assert b"1 lines belong to no record" in capfdbinary.readouterr().err
