import importlib
import subprocess
import sys

import pytest

from gateway.cli.nncp.main import MODULES, main
from gateway.cli.nncp.verbs import VERBS


def test_every_verb_of_the_table_can_be_run() -> None:
    assert set(MODULES) == set(VERBS)
    for module in MODULES.values():
        assert callable(importlib.import_module(module).run)


def test_verb_may_be_spelled_with_its_prefix(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stat", "-h"], {}) == 0
    assert main(["nncp-stat", "-h"], {}) == 0
    assert capsys.readouterr().err.count("nncp-stat -- ") == 2


@pytest.mark.parametrize(
    ("arguments", "said"), [([], "a verb is missing"), (["nope"], "unknown verb 'nope'")]
)
def test_unknown_verb_is_named_with_those_allowed(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments, {}) == 1
    assert capsys.readouterr().err == f"nncp: {said}, allowed: {', '.join(MODULES)}\n"


def test_only_what_a_verb_needs_is_imported() -> None:
    program = (
        "import sys; from gateway.cli.nncp.main import main; main(['stat', '-h'], {});"
        "unwanted = {'pydantic', 'click', 'aiosmtpd', 'hjson', 'gateway.toss'};"
        "print(*unwanted.intersection(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
