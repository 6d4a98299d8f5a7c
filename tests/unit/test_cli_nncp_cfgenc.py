import subprocess
from pathlib import Path

import pytest

from gateway.cli.nncp.main import main
from gateway.packet.eblob import Costs, decode_eblob, seal_eblob
from tests.support.nncp_configs import config_tree, secrets_of, write_config
from tests.support.nncp_verbs import run_verb_process, verb_argv, verb_environ
from tests.support.terminal import type_at

CHEAP = ("-s", "1", "-t", "1", "-p", "1")
ENVIRON = verb_environ(NNCPNOSYNC="1")


def sealed_config(home: Path) -> Path:
    """An encrypted configuration; its passphrase is ``secret``."""
    plain = write_config(home, config_tree(home))
    path = home / "cfg.eblob"
    path.write_bytes(seal_eblob(plain.read_bytes(), b"secret", Costs(1, 1, 1), bytes(32)))
    return path


def test_there_and_back(tmp_path: Path) -> None:
    plain = write_config(tmp_path, config_tree(tmp_path))
    made = type_at(verb_argv("cfgenc", *CHEAP, plain), ["secret", "secret"], tmp_path, environ=ENVIRON)
    assert (made.returncode, made.shown) == (0, b"Passphrase:\r\nRepeat passphrase:\r\n")
    sealed = tmp_path / "sealed"
    sealed.write_bytes(made.stdout)
    opened = type_at(verb_argv("cfgenc", "-d", sealed), ["secret"], tmp_path, environ=ENVIRON)
    assert (opened.returncode, opened.stdout, opened.shown) == (0, plain.read_bytes(), b"Passphrase:\r\n")


def test_two_passphrases_that_differ_make_nothing(tmp_path: Path) -> None:
    plain = write_config(tmp_path, config_tree(tmp_path))
    made = type_at(verb_argv("cfgenc", *CHEAP, plain), ["secret", "Secret"], tmp_path, environ=ENVIRON)
    assert (made.returncode, made.stdout) == (1, b"")
    assert made.shown.endswith(b"nncp-cfgenc: Passphrases do not match\r\n")


def test_every_verb_opens_an_encrypted_configuration_after_asking(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    body = tmp_path / "body"
    body.write_bytes(b"content")
    path = sealed_config(tmp_path)
    sent = type_at(
        verb_argv("exec", "-quiet", "-cfg", path, "bob", "handle"),
        ["secret"],
        tmp_path,
        environ=ENVIRON,
        stdin=body,
    )
    assert (sent.returncode, sent.shown) == (0, b"Passphrase:\r\n")
    stat = type_at(verb_argv("stat", "-cfg", path), ["secret"], tmp_path, environ=ENVIRON)
    assert stat.stdout.startswith(b"bob\n\tnice:   P | Rx:")


def test_wrong_passphrase_is_told_with_the_file(tmp_path: Path) -> None:
    path = sealed_config(tmp_path)
    told = type_at(verb_argv("cfgmin", "-cfg", path), ["Secret"], tmp_path, environ=ENVIRON)
    error = f"nncp-cfgmin: {path}: the passphrase is wrong, or the file is damaged\r\n"
    assert (told.returncode, told.stdout, told.shown.decode()) == (1, b"", f"Passphrase:\r\n{error}")


def test_without_a_terminal_it_ends_at_once(tmp_path: Path) -> None:
    done = subprocess.run(
        verb_argv("cfgenc", "-d", sealed_config(tmp_path)),
        input=b"secret\n",
        capture_output=True,
        check=False,
        timeout=60,
        env=ENVIRON,
        start_new_session=True,
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"no terminal to ask" in done.stderr


def test_costs_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "cfg"
    path.write_bytes(seal_eblob(b"x", b"", Costs(2, 3, 4), bytes(32)))
    assert run_verb_process("cfgenc", "-dump", path).stdout.decode().splitlines() == [
        "Strengthening function: Balloon with BLAKE2b-256",
        "Memory space cost: 64 bytes",
        "Number of rounds: 3",
        "Number of parallel jobs: 4",
        "Blob size: 17",
    ]
    assert decode_eblob(path.read_bytes()).costs == Costs(2, 3, 4)


def test_faults_are_told_without_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = config_tree(tmp_path)
    path = write_config(tmp_path, tree)
    for flag in ("-d", "-dump"):
        assert main(["cfgenc", flag, str(path)], {}) == 1
        told = capsys.readouterr().err
        assert told.startswith(f"nncp-cfgenc: {path}: not an encrypted configuration")
        assert not any(secret in told for secret in secrets_of(tree))
    assert main(["cfgenc", str(tmp_path / "absent")], {}) == 1
    assert "absent: cannot read the configuration: No such file" in capsys.readouterr().err
    for flags in (["-s", "0"], ["-s", "-1"], ["-t", "0"], ["-p", "0"], ["-s", "4294967296"]):
        assert main(["cfgenc", *flags, str(path)], {}) == 1
        assert "allowed: " in capsys.readouterr().err


def test_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cfgenc"], {}) == 1
    assert main(["cfgenc", "a", "b"], {}) == 1
    assert "Usage: nncp-cfgenc [options] cfg.hjson > cfg.hjson.eblob" in capsys.readouterr().err
    assert main(["cfgenc", "-s", "x", "a"], {}) == 2
