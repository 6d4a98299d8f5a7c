import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.hjson_document import render_document
from gateway.config.nncp import load_nncp_config
from gateway.config.nncp_directory import FILE_LIMIT_BYTES, read_directory, write_directory
from gateway.config.nncp_document import Object, parse_document
from gateway.durable import Disk
from gateway.errors import ConfigError
from tests.support.nncp_configs import KEYS, changed, config_tree, private_tree

DISK = Disk(is_syncing=False)
CALL = {
    "cron": "*/5 * * * *",
    "nice": "N+3",
    "xx": "rx",
    "rxrate": -1,
    "nock": True,
    "autotoss-gen-ack": True,
}
FULL: dict[str, object] = {
    "umask": "022",
    "noprogress": True,
    "nohdr": True,
    "mcd-listen": ["eth.*", "wlan0"],
    "mcd-send": {"eth[0-9]+": 10},
    "notify": {"file": {"from": "a", "to": "b"}, "exec": {"*.x": {"from": "c", "to": "d e"}}},
    "yggdrasil-aliases": {"k": "abc"},
    "areas.news": {"id": KEYS["bob"].id.text, "subs": ["bob"], "allow-unknown": True},
    "neigh.bob.exec": {"a": ["/bin/x", "", "y z "], "#b": ["-"]},
    "neigh.bob.freq": {"path": "/a", "chunked": 1, "minsize": 2, "maxsize": 0},
    "neigh.bob.ack": {"minsize": 1, "nice": "P"},
    "neigh.bob.via": ["carol"],
    "neigh.bob.addrs": {"lan": "[fe80::1%eth0]:5400"},
    "neigh.bob.calls": [CALL, *[{"cron": "@hourly"}] * 11, {"cron": "@daily"}],
    "neigh.bob.maxonlinetime": 0,
}


def tree_of(values: Mapping[str, Any]) -> Object:
    return Object(
        {
            key: tree_of(value)
            if isinstance(value, dict)
            else [tree_of(item) if isinstance(item, dict) else item for item in value]
            if isinstance(value, list)
            else value
            for key, value in values.items()
        }
    )


def full_tree(home: Path) -> Object:
    tree = config_tree(home)
    for path, value in FULL.items():
        tree = changed(tree, path, value)
    return tree_of(tree)


def written(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def test_what_is_written_reads_back_the_same(tmp_path: Path) -> None:
    tree = full_tree(tmp_path)
    write_directory(tmp_path / "cfg", tree, DISK)
    assert read_directory(tmp_path / "cfg") == tree
    assert load_nncp_config(tmp_path / "cfg", {}).warnings == ()
    assert parse_document(render_document(tree), Path("x")) == tree


def test_form_of_the_files(tmp_path: Path) -> None:
    write_directory(tmp_path, full_tree(Path("/h")), DISK)
    files = written(tmp_path)
    assert files["spool"] == b"/h/spool\n"
    assert files["noprogress"] == b""
    assert files["mcd-listen"] == b"eth.*\nwlan0\n"
    assert files["neigh/bob/exec/a"] == b"/bin/x\n\ny z \n"
    assert files["neigh/bob/calls/11/cron"] == b"@hourly\n"
    assert files["neigh/bob/freq/maxsize"] == b"0\n"
    assert files["notify/exec/*.x/to"] == b"d e\n"


def test_private_keys_are_for_the_owner_alone(tmp_path: Path) -> None:
    # World-readable ones are replaced, not written into.
    (tmp_path / "self").mkdir()
    (tmp_path / "self/signprv").write_text("x")
    write_directory(tmp_path, full_tree(tmp_path), DISK)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "self").iterdir()}
    assert {name for name, mode in modes.items() if mode == 0o600} == {"exchprv", "signprv", "noiseprv"}


def test_keys_are_written_as_they_are_documented(tmp_path: Path) -> None:
    tree = config_tree(tmp_path) | {"NoHdr": True, "noprogress": False, "UMASK": None, "unknown": 5}
    write_directory(tmp_path / "cfg", tree_of(tree), DISK)
    assert {path.name for path in (tmp_path / "cfg").iterdir()} == {"spool", "log", "self", "neigh", "nohdr"}


@pytest.mark.parametrize(
    ("path", "value", "error"),
    [
        ("mcd-send", {"a/b": 1}, "mcd-send.a/b: a name that can't be a file's"),
        ("neigh.bob.exec", {"../x": ["a"]}, "neigh.bob.exec.../x: a name that"),
        ("neigh.bob.exec", {".x": ["a"]}, "neigh.bob.exec..x: a name that"),
        ("neigh.bob.exec", {"": ["a"]}, "neigh.bob.exec.: a name that"),
        ("neigh.bob.exec", {"a\0": ["a"]}, "neigh.bob.exec.a"),
        ("neigh.bob.exec", {"x": ["a", "b\nc"]}, "neigh.bob.exec.x.1: a text of several lines"),
    ],
)
def test_what_the_form_cannot_hold_is_refused_before_anything_is_written(
    tmp_path: Path, path: str, value: object, error: str
) -> None:
    tree = tree_of(changed(config_tree(tmp_path), path, value))
    with pytest.raises(ConfigError) as caught:
        write_directory(tmp_path / "cfg", tree, DISK)
    assert str(caught.value).startswith(error)
    assert not (tmp_path / "cfg").exists()


def test_faults_are_told_all_at_once_with_directory_and_key(tmp_path: Path) -> None:
    write_directory(tmp_path, full_tree(tmp_path), DISK)
    (tmp_path / "self/signprv").unlink()
    (tmp_path / "neigh/bob/rxrate").write_text("x\n")
    (tmp_path / "neigh/bob/calls/3/cron").write_text("* * *\n")
    (tmp_path / "neigh/stray").write_text("y")
    (tmp_path / "log").write_text("relative\n")
    with pytest.raises(ConfigError) as caught:
        load_nncp_config(tmp_path, {})
    told = str(caught.value)
    assert sorted(line.split(": ")[1] for line in told.splitlines()) == [
        "log", "neigh.bob.calls.3.cron", "neigh.bob.rxrate", "neigh.stray", "self.signprv",
    ]  # fmt: skip
    assert all(line.startswith(f"{tmp_path}: ") for line in told.splitlines())
    assert not any(secret in told for secret in private_tree(KEYS["self"]).values())


def test_what_nobody_knows_is_a_warning_and_dot_names_are_passed_over(tmp_path: Path) -> None:
    write_directory(tmp_path, full_tree(tmp_path), DISK)
    for name in (".git", "neigh/.old"):
        (tmp_path / name).mkdir()
    for name in (".spool.new", "spool~", "neigh/bob/exec/.a.swp", "LOG"):
        (tmp_path / name).write_text("x")
    assert load_nncp_config(tmp_path, {}).warnings == (f"{tmp_path}: spool~: unknown key",)


def test_calls_are_in_order_of_their_numbers(tmp_path: Path) -> None:
    write_directory(tmp_path, full_tree(tmp_path), DISK)
    (tmp_path / "neigh/bob/calls/1").rename(tmp_path / "neigh/bob/calls/100")
    (tmp_path / "neigh/bob/calls/last").mkdir()
    (tmp_path / "neigh/bob/calls/last/cron").write_text("@yearly")
    neigh: Any = read_directory(tmp_path)["neigh"]
    crons = [call["cron"] for call in neigh["bob"]["calls"]]
    assert crons == ["*/5 * * * *", *["@hourly"] * 10, "@daily", "@hourly", "@yearly"]


@pytest.mark.parametrize(
    ("raw", "value"),
    [(b"a\n", "a"), (b"a", "a"), (b"a\n\n", "a\n"), (b"", ""), (" \u00e9 \n".encode(), " \u00e9 ")],
)
def test_one_line_end_is_taken_away(tmp_path: Path, raw: bytes, value: str) -> None:
    (tmp_path / "umask").write_bytes(raw)
    assert read_directory(tmp_path) == {"umask": value}


@pytest.mark.parametrize(
    ("raw", "value"),
    [("5\n", 5), ("-5", -5), ("+5\n", 5), (" 5", " 5"), ("5\n\n", "5\n"), ("9" * 99, "9" * 99)],
)
def test_number_is_read_and_what_is_none_stays_text(tmp_path: Path, raw: str, value: object) -> None:
    (tmp_path / "mcd-send").mkdir()
    (tmp_path / "mcd-send" / "eth0").write_text(raw)
    assert read_directory(tmp_path) == {"mcd-send": {"eth0": value}}


def test_files_that_cannot_be_values_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no settings in it"):
        read_directory(tmp_path)
    with pytest.raises(ConfigError, match="absent: cannot read the directory: No such file"):
        read_directory(tmp_path / "absent")
    (tmp_path / "spool").mkdir()
    with pytest.raises(ConfigError, match="spool: not a regular file"):
        read_directory(tmp_path)
    (tmp_path / "spool").rmdir()
    os.mkfifo(tmp_path / "spool")
    with pytest.raises(ConfigError, match="spool: not a regular file"):
        read_directory(tmp_path)
    (tmp_path / "spool").unlink()
    (tmp_path / "spool").symlink_to("nowhere")
    with pytest.raises(ConfigError, match="spool: cannot be read: No such file"):
        read_directory(tmp_path)
    (tmp_path / "spool").unlink()
    (tmp_path / "spool").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="spool: not UTF-8"):
        read_directory(tmp_path)
    (tmp_path / "spool").write_bytes(bytes(FILE_LIMIT_BYTES + 1))
    with pytest.raises(ConfigError, match="spool: too large"):
        read_directory(tmp_path)
    (tmp_path / os.fsdecode(b"\xff")).touch()
    with pytest.raises(ConfigError, match="is not UTF-8"):
        read_directory(tmp_path)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@given(st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=4), st.lists(TEXTS, min_size=1, max_size=4))
def test_any_text_survives_as_hjson(aliases: dict[str, str], listen: list[str]) -> None:
    tree = tree_of({"mcd-listen": listen, "self": None, "yggdrasil-aliases": aliases})
    assert parse_document(render_document(tree), Path("x")) == tree
