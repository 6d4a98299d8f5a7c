from pathlib import Path

import pytest

from gateway.config.state_place import DEFAULT_PATH_TEXT, PATH_VARIABLE, find_state_directory


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "state"),
        ("[node]\n", "state"),
        ('[node]\nstate_directory = "x/y"\n', "x/y"),
        ('  [node] # here\n\tstate_directory="/var/lib/x"  # ours', "/var/lib/x"),
        ('[smtp]\nlisten = []\n[node]\nhostname = "a"\nstate_directory = "s"\n[log]\n', "s"),
        ('# state_directory = "no"\n', "state"),
    ],
)
def test_what_init_writes_is_found(tmp_path: Path, text: str, found: str) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(text)
    assert find_state_directory(str(path), {}) == str(tmp_path / found)
    assert find_state_directory(None, {PATH_VARIABLE: str(path)}) == str(tmp_path / found)


@pytest.mark.parametrize(
    "text",
    [
        "[node]\nstate_directory = 'x'\n",
        '[node]\nstate_directory = "x\\ty"\n',
        '[node]\nstate_directory = "x" y\n',
        '[node]\nstate_directory = "x\n',
        '[node]\n"state_directory" = "x"\n',
        'node.state_directory = "x"\n',
        'node = { state_directory = "x" }\n',
        '[other]\nstate_directory = "x"\n',
        '[node]\nstate_directory = """x"""\n',
        "\xff",
    ],
)
def test_what_is_written_otherwise_is_left_to_the_parser(tmp_path: Path, text: str) -> None:
    path = tmp_path / "gateway.toml"
    path.write_bytes(text.encode("latin-1"))
    assert find_state_directory(str(path), {}) is None


def test_a_file_that_is_not_there_names_nothing(tmp_path: Path) -> None:
    assert find_state_directory(str(tmp_path / "none"), {}) is None
    assert find_state_directory(None, {}) is None or Path(DEFAULT_PATH_TEXT).exists()
