"""The directory form and the encrypted form of a configuration, by us and by the Go tools."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import hjson
import pytest

from tests.support.gonncp import is_go_8_8
from tests.support.nncp_configs import KEYS, changed, config_tree, write_config
from tests.support.nncp_verbs import run_verb_process, verb_argv, verb_environ
from tests.support.peers import require
from tests.support.terminal import type_at

VECTORS = Path(__file__).resolve().parents[1] / "vectors"
RUN_SECONDS = 60
CALL_FLAGS = (
    "when-tx-exists", "nock", "mcd-ignore", "autotoss", "autotoss-doseen", "autotoss-nofile",
    "autotoss-nofreq", "autotoss-noexec", "autotoss-notrns", "autotoss-noarea",
)  # fmt: skip
CALL = {"cron": "*/2 * * * *", "nice": "P+10", "xx": "rx", "addr": "lan", "rxrate": 3, "txrate": 4}
CALL_TIMES = {"onlinedeadline": 5, "maxonlinetime": 6}
ODD_TEXTS = [
    "a b", " lead", "trail ", "tab\there", "#x", "a # c", "//x", "/x", "/* c */", "a//b", "'q'", '"dq"',
    'a"b', "{x", "[x", ",x", ":x", "a:b", "true", "null", "5", "-5", "1e3", "5 # c", "5x", "true x",
    "null # c", "a\\b", "", "\x01", "é", "\u2028", "'''", "NaN", "- 5", "005", "1.5", "a}", "a]", "5//",
    '{"a": 1}', "\ufeffx",
]  # fmt: skip
LITERALS = frozenset({"true", "null", "5", "-5", "1e3", "5 # c", "null # c", "1.5", "5//"})
"""8.11 prints these texts without quotes, so that they are read as numbers, true and null."""


def texts_printed_right() -> list[str]:
    """The odd texts that the installed version prints so that they are read back as texts."""
    return [text for text in ODD_TEXTS if is_go_8_8() or text not in LITERALS]


def full_tree(home: Path, odd_texts: list[str] = ODD_TEXTS) -> dict[str, Any]:
    """A configuration with every key that both know."""
    values: dict[str, object] = {
        "umask": "022",
        "noprogress": True,
        "nohdr": True,
        "mcd-listen": ["eth.*", "x"],
        "mcd-send": {"eth[0-9]+": 10, "b": -1},
        "notify": {
            "file": {"from": "a@b", "to": "c@d"},
            "freq": {"from": "e", "to": "f"},
            "exec": {"bob.x": {"from": "g", "to": "h"}, "*.y": {"from": "i", "to": "j"}},
        },
        "yggdrasil-aliases": {"k1": "abc", "k0": "def"},
        "areas.news": {"id": KEYS["bob"].id.text, "subs": ["bob", "carol"], "allow-unknown": True},
        "areas.a": {"id": KEYS["carol"].id.text, "incoming": "/x", "exec": {"h": ["/bin/x"]}},
        "neigh.bob.exec": {"h": ["/bin/x", "y z", ""], "odd": odd_texts, "a b": ["-"], "{": ["x"]},
        "neigh.bob.freq": {"path": "/a/b", "chunked": 5, "minsize": 7, "maxsize": 0},
        "neigh.bob.incoming": "/in",
        "neigh.bob.via": ["carol"],
        "neigh.bob.addrs": {"lan": "[fe80::1%eth0]:5400", "inet": "x:1", "p": "|nc x 5400"},
        "neigh.bob.rxrate": 10,
        "neigh.bob.txrate": -5,
        "neigh.bob.onlinedeadline": 20,
        "neigh.bob.maxonlinetime": 30,
        "neigh.bob.calls": [CALL | CALL_TIMES | dict.fromkeys(CALL_FLAGS, True), {"cron": "0 1 * * * * *"}],
        "neigh.carol.calls": [{"cron": "@hourly", "xx": "tx"}] * 12,
        "neigh.carol.noisepub": None,
    }
    tree = config_tree(home)
    for path, value in values.items():
        tree = changed(tree, path, value)
    return tree


def go(*argv: str | Path) -> subprocess.CompletedProcess[bytes]:
    program, *rest = map(str, argv)
    return subprocess.run(
        [require(program), *rest], capture_output=True, check=False, timeout=RUN_SECONDS, env=verb_environ()
    )


def contents(directory: Path) -> dict[str, tuple[int, bytes]]:
    """Every file of a tree, with its permissions."""
    return {
        str(path.relative_to(directory)): (path.stat().st_mode & 0o777, path.read_bytes())
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_directory_is_written_the_same(tmp_path: Path) -> None:
    """Both make the same files with the same permissions, directories and exit status."""
    path = write_config(tmp_path, full_tree(tmp_path))
    assert go("nncp-cfgdir", "-cfg", path, "-dump", tmp_path / "theirs").returncode == 0
    done = run_verb_process("cfgdir", "-cfg", path, "-dump", tmp_path / "ours")
    assert (done.stdout, done.stderr) == (b"", b"")
    assert contents(tmp_path / "ours") == contents(tmp_path / "theirs")
    # Into a directory that is there already, too.
    for _ in range(2):
        run_verb_process("cfgdir", "-cfg", path, "-dump", tmp_path / "theirs")
    assert contents(tmp_path / "ours") == contents(tmp_path / "theirs")


def assert_same(ours: bytes, theirs: bytes) -> None:
    """The same bytes as 8.8 prints, or for a later version the same values."""
    if is_go_8_8():
        assert ours == theirs
    else:
        assert hjson.loads(ours.decode()) == hjson.loads(theirs.decode())


def test_directory_is_printed_the_same(tmp_path: Path) -> None:
    """Both print the same Hjson from a directory, odd texts and names included."""
    path = write_config(tmp_path, full_tree(tmp_path, texts_printed_right()))
    run_verb_process("cfgdir", "-cfg", path, "-dump", tmp_path / "cfg")
    theirs = go("nncp-cfgdir", "-load", tmp_path / "cfg")
    assert theirs.returncode == 0
    assert_same(run_verb_process("cfgdir", "-load", tmp_path / "cfg").stdout, theirs.stdout)


def test_what_we_print_is_read_by_go(tmp_path: Path) -> None:
    """The Hjson that we make of a directory means the same to the Go tools as the directory itself."""
    tree = full_tree(tmp_path)
    path = write_config(tmp_path, tree)
    run_verb_process("cfgdir", "-cfg", path, "-dump", tmp_path / "cfg")
    printed = tmp_path / "printed"
    printed.write_bytes(run_verb_process("cfgdir", "-load", tmp_path / "cfg").stdout)
    assert go("nncp-cfgdir", "-cfg", printed, "-dump", tmp_path / "again").returncode == 0
    assert contents(tmp_path / "again") == contents(tmp_path / "cfg")


def test_golden_directory(tmp_path: Path) -> None:
    """A directory made by nncp-cfgdir is printed as that prints it, and written again the same."""
    golden = VECTORS / "cfgdir/alice"
    printed = run_verb_process("cfgdir", "-load", golden).stdout
    assert_same(printed, go("nncp-cfgdir", "-load", golden).stdout)
    path = tmp_path / "cfg"
    path.write_bytes(printed)
    run_verb_process("cfgdir", "-cfg", path, "-dump", tmp_path / "dir")
    files = {name: data for name, (_, data) in contents(tmp_path / "dir").items()}
    assert files == {name: data for name, (_, data) in contents(golden).items()}
    loaded = json.loads(json.dumps(hjson.loads(printed.decode())))
    original = json.loads(json.dumps(hjson.loads((VECTORS / "cfgdir/alice.hjson").read_text())))
    assert loaded == original


@pytest.mark.parametrize(
    "absent", ["spool", "log", "self/signprv", "neigh/self", "neigh/bob/id", "areas/news/id"]
)
def test_directory_that_is_not_whole_is_refused_by_both(tmp_path: Path, absent: str) -> None:
    """Without a value that must be there, both end with 1, in every command."""
    path = write_config(tmp_path, full_tree(tmp_path))
    cfg = tmp_path / "cfg"
    run_verb_process("cfgdir", "-cfg", path, "-dump", cfg)
    target = cfg / absent
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    for arguments in (["cfgdir", "-load", str(cfg)], ["cfgmin", "-cfg", str(cfg)]):
        assert go(f"nncp-{arguments[0]}", *arguments[1:]).returncode == 1
        assert run_verb_process(*arguments, is_checked=False).returncode == 1


def test_directory_without_private_keys_is_read_by_both(tmp_path: Path) -> None:
    """A directory without self is a public configuration."""
    path = write_config(tmp_path, full_tree(tmp_path, texts_printed_right()))
    cfg = tmp_path / "cfg"
    run_verb_process("cfgdir", "-cfg", path, "-dump", cfg)
    shutil.rmtree(cfg / "self")
    shutil.rmtree(cfg / "areas")
    shutil.rmtree(cfg / "notify")
    theirs = go("nncp-cfgdir", "-load", cfg)
    assert theirs.returncode == 0
    assert_same(run_verb_process("cfgdir", "-load", cfg).stdout, theirs.stdout)
    assert_same(run_verb_process("cfgmin", "-cfg", cfg).stdout, go("nncp-cfgmin", "-cfg", cfg).stdout)


def test_encrypted_by_go_is_opened_by_us(tmp_path: Path) -> None:
    """What nncp-cfgenc seals, our commands open with the same passphrase."""
    path = write_config(tmp_path, config_tree(tmp_path))
    argv = [require("nncp-cfgenc"), "-s", "16", "-t", "3", "-p", "2", str(path)]
    sealed = tmp_path / "sealed"
    made = type_at(argv, ["pass word é", "pass word é"], tmp_path, environ=verb_environ())
    sealed.write_bytes(made.stdout)
    opened = type_at(verb_argv("cfgenc", "-d", sealed), ["pass word é"], tmp_path, environ=verb_environ())
    assert (opened.returncode, opened.stdout) == (0, path.read_bytes())
    public = type_at(verb_argv("cfgmin", "-cfg", sealed), ["pass word é"], tmp_path, environ=verb_environ())
    assert_same(public.stdout, go("nncp-cfgmin", "-cfg", path).stdout)
    ours = run_verb_process("cfgenc", "-dump", sealed)
    theirs = go("nncp-cfgenc", "-dump", sealed)
    assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout)


def test_encrypted_by_us_is_opened_by_go(tmp_path: Path) -> None:
    """What we seal, nncp-cfgenc and every other Go command open."""
    path = write_config(tmp_path, config_tree(tmp_path))
    argv = verb_argv("cfgenc", "-s", "16", "-t", "3", "-p", "2", path)
    made = type_at(argv, ["secret", "secret"], tmp_path, environ=verb_environ())
    sealed = tmp_path / "sealed"
    sealed.write_bytes(made.stdout)
    opened = type_at(
        [require("nncp-cfgenc"), "-d", str(sealed)], ["secret"], tmp_path, environ=verb_environ()
    )
    assert (opened.returncode, opened.stdout) == (0, path.read_bytes())
    public = type_at(
        [require("nncp-cfgmin"), "-cfg", str(sealed)], ["secret"], tmp_path, environ=verb_environ()
    )
    assert_same(run_verb_process("cfgmin", "-cfg", path).stdout, public.stdout)
    wrong = type_at([require("nncp-cfgmin"), "-cfg", str(sealed)], ["x"], tmp_path, environ=verb_environ())
    assert wrong.returncode == 1
