"""``nncp check``: what it tells, how it ends."""

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


def test_check_tells_a_damaged_packet_and_ends_with_1(pair: Pair, verbs: Verbs, capfdbinary: Capture) -> None:
    packet = pair.send("x", b"body")
    assert verbs.run("check", f"-cfg={pair.directory}/b/cfg.json") == 0
    packet.write_bytes(packet.read_bytes() + b"x")
    assert verbs.run("check", f"-cfg={pair.directory}/b/cfg.json") == 1
    assert f"ERROR Checking: {pair.id('a')}/rx/{packet.name}: bad" in capfdbinary.readouterr().err.decode()
    assert verbs.run("check", f"-cfg={pair.directory}/b/cfg.json", "-node", "self") == 0
