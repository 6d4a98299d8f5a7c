import re

import pytest

from gateway.cli.nncp.main import main


def test_times_are_printed_in_utc(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cronexpr", "-num", "2", "0", "0", "1", "1", "*"], {}) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"Now:\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,8}[1-9])?Z", lines[0])
    assert [line[:3] for line in lines[1:]] == ["0:\t", "1:\t"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:00Z", line[3:]) for line in lines[1:])


def test_ten_times_unless_there_are_fewer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cronexpr", "* * * * *"], {}) == 0
    assert len(capsys.readouterr().out.splitlines()) == 11
    assert main(["cronexpr", "0 0 30 2 *"], {}) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_fault_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cronexpr", "60 * * * *"], {}) == 1
    assert capsys.readouterr().err.startswith("nncp-cronexpr: minute field: '60' is not understood")
    assert main(["cronexpr"], {}) == 1
    assert main(["cronexpr", "-cfg", "x", "@daily"], {}) == 2
