import os
from pathlib import Path

import pytest

from gateway.config.nncp import (
    DEFAULT_PATH,
    MailPair,
    NncpConfig,
    Notify,
    config_path,
    is_syncing,
    load_nncp_config,
)
from gateway.errors import ConfigError
from gateway.ids import encode_base32
from gateway.nodes import Ack, Area, Freq
from gateway.packet.padding import UNLIMITED_BYTES
from tests.support.nncp_configs import (
    ACCEPTED,
    KEYS,
    REFUSED,
    Tree,
    changed,
    config_tree,
    secrets_of,
    write_config,
)


def load(home: Path, tree: Tree) -> NncpConfig:
    return load_nncp_config(write_config(home, tree), {})


def errors_of(home: Path, tree: Tree) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(home, tree)
    lines = str(caught.value).splitlines()
    prefix = f"{home / 'nncp.hjson'}: "
    assert all(line.startswith(prefix) for line in lines)
    assert not any(secret in str(caught.value) for secret in secrets_of(config_tree(home)))
    return [line.removeprefix(prefix) for line in lines]


def error_of(home: Path, tree: Tree) -> str:
    (error,) = errors_of(home, tree)
    return error


def test_smallest_configuration(tmp_path: Path) -> None:
    config = load(tmp_path, config_tree(tmp_path))
    assert config.spool == tmp_path / "spool"
    assert config.log == str(tmp_path / "log")
    assert (config.umask, config.noprogress, config.nohdr) == (None, None, False)
    assert config.notify == Notify()
    assert config.warnings == ()
    assert config.book.private_keys() == KEYS["self"]
    bob = config.book.find("bob")
    assert bob.keys == KEYS["bob"].public
    assert (bob.incoming, dict(bob.exec), bob.freq, bob.via) == (None, {}, Freq(), ())
    assert config.book.find(KEYS["carol"].id.text).name == "carol"


def test_everything_that_is_kept(tmp_path: Path) -> None:
    tree = config_tree(tmp_path)
    settings: list[tuple[str, object]] = [
        ("umask", "027"),
        ("noprogress", True),
        ("nohdr", True),
        ("neigh.bob.incoming", "/in//coming/"),
        ("neigh.bob.exec", {"sendmail": ["/usr/sbin/sendmail", "-t"], "true": ["true"]}),
        ("neigh.bob.via", ["carol", KEYS["self"].id.text]),
        ("neigh.bob.freq", {"path": "/pub", "chunked": 3, "minsize": 2, "maxsize": 4.0}),
        ("notify.file", {"from": "a@x", "to": "b@x"}),
        ("notify.exec", {"*.x": {"from": "c@x", "to": "d@x"}}),
    ]
    for path, value in settings:
        tree = changed(tree, path, value)
    config = load(tmp_path, tree)
    bob = config.book.find("bob")
    assert (config.umask, config.noprogress, config.nohdr) == (0o27, True, True)
    assert bob.incoming == "/in/coming"
    assert dict(bob.exec) == {"sendmail": ("/usr/sbin/sendmail", "-t"), "true": ("true",)}
    assert bob.via == (KEYS["carol"].id, KEYS["self"].id)
    assert bob.freq == Freq("/pub", 3072, 2048, 4096)
    assert config.notify.file == MailPair("a@x", "b@x")
    assert config.notify.freq is None
    assert dict(config.notify.exec) == {"*.x": MailPair("c@x", "d@x")}
    assert config.warnings == ()


@pytest.mark.parametrize(("path", "value"), ACCEPTED)
def test_allowed_setting(tmp_path: Path, path: str, value: object) -> None:
    assert load(tmp_path, changed(config_tree(tmp_path), path, value)).warnings == ()


@pytest.mark.parametrize(("path", "value", "error"), REFUSED)
def test_refused_setting_is_named_with_what_is_allowed(
    tmp_path: Path, path: str, value: object, error: str
) -> None:
    said = error_of(tmp_path, changed(config_tree(tmp_path), path, value))
    assert said.startswith(error)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    tree = config_tree(tmp_path)
    for path, value in (
        ("spool", 1),
        ("neigh.bob.id", ...),
        ("neigh.carol.via", ["bob", "x"]),
        ("umask", "8"),
    ):
        tree = changed(tree, path, value)
    assert [error.split(":")[0] for error in errors_of(tmp_path, tree)] == [
        "neigh.bob.id", "neigh.carol.via.1", "spool", "umask",
    ]  # fmt: skip


def test_private_key_in_a_wrong_place_is_not_shown(tmp_path: Path) -> None:
    secret = secrets_of(config_tree(tmp_path))[0]
    tree = config_tree(tmp_path)
    tree["neigh"] |= {
        secret: {},
        "dave": {secret: 1, "via": [secret], "ack": {"nice": secret}, "umask": secret},
    }
    tree |= {secret: 1, "umask": secret, "spool": secret}
    said = errors_of(tmp_path, tree)
    assert "neigh.(base32).id: missing, allowed: 52 characters of base32 (A-Z, 2-7)" in said
    assert "neigh.dave.ack.nice: niceness '(base32)' is not known" in "\n".join(said)


def test_unknown_keys_are_warnings_with_their_path(tmp_path: Path) -> None:
    tree = config_tree(tmp_path)
    for path in ("spol", "neigh.bob.incomming", "neigh.bob.freq.x", "self.extra", "notify.mail"):
        tree = changed(tree, path, "x")
    prefix = f"{tmp_path / 'nncp.hjson'}: "
    assert sorted(load(tmp_path, tree).warnings) == [
        f"{prefix}{path}: unknown key"
        for path in ("neigh.bob.freq.x", "neigh.bob.incomming", "notify.mail", "self.extra", "spol")
    ]


def test_warnings_for_what_go_passes_over(tmp_path: Path) -> None:
    tree = changed(config_tree(tmp_path), "neigh.bob.exec", {"mail": []})
    tree = changed(tree, "neigh.carl", tree["neigh"]["carol"])
    tree = changed(tree, "neigh.dave", tree["neigh"]["bob"] | {"id": "A" * 52})
    config = load(tmp_path, tree)
    texts = [warning.split("nncp.hjson: ")[1] for warning in config.warnings]
    assert "neigh.bob.exec.mail: an empty command, taken as if the handle were absent" in texts
    assert "neigh.carl: has the same id as carol" in texts
    assert "neigh.dave.id: does not belong to signpub, of which it should be the hash" in texts
    assert dict(config.book.find("bob").exec) == {}


def test_keys_have_no_case_but_names_do(tmp_path: Path) -> None:
    tree = config_tree(tmp_path)
    tree["SPOOL"] = tree.pop("spool")
    tree["Neigh"] = tree.pop("neigh")
    tree["Neigh"]["BOB"] = tree["Neigh"].pop("bob")
    tree["Neigh"]["BOB"]["ID"] = tree["Neigh"]["BOB"].pop("id")
    config = load(tmp_path, tree)
    assert config.spool == tmp_path / "spool"
    assert sorted(config.book.nodes) == ["BOB", "carol", "self"]
    assert config.warnings == ()


def test_configuration_without_private_keys(tmp_path: Path) -> None:
    config = load(tmp_path, changed(config_tree(tmp_path), "self", ...))
    with pytest.raises(ConfigError, match="Config lacks private keys"):
        config.book.private_keys()


def test_maxsize_is_bounded_by_no_limit(tmp_path: Path) -> None:
    tree = changed(config_tree(tmp_path), "neigh.bob.freq", {"maxsize": 2**54 - 1})
    assert load(tmp_path, tree).book.find("bob").freq.maxsize_bytes == UNLIMITED_BYTES


def test_environment_goes_before_the_file(tmp_path: Path) -> None:
    path = write_config(tmp_path, config_tree(tmp_path))
    config = load_nncp_config(path, {"NNCPSPOOL": "/other", "NNCPLOG": "FD:5"})
    assert config.spool == Path("/other")
    assert config.log == "FD:5"
    assert load_nncp_config(path, {"NNCPSPOOL": "", "NNCPLOG": ""}).spool == tmp_path / "spool"


def test_nncpcfg_goes_before_the_command_line() -> None:
    assert config_path(None, {}) == Path(DEFAULT_PATH)
    assert config_path("/a", {}) == Path("/a")
    assert config_path("/a", {"NNCPCFG": "/b"}) == Path("/b")
    assert config_path("/a", {"NNCPCFG": ""}) == Path("/a")


def test_nncpnosync_forbids_syncing() -> None:
    assert is_syncing({})
    assert is_syncing({"NNCPNOSYNC": ""})
    assert not is_syncing({"NNCPNOSYNC": "0"})


def test_umask_is_applied_only_when_configured(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        load(tmp_path, config_tree(tmp_path)).apply_umask()
        assert os.umask(0o022) == 0o022
        load(tmp_path, changed(config_tree(tmp_path), "umask", "7077")).apply_umask()
        assert os.umask(0o022) == 0o077
    finally:
        os.umask(before)


def test_areas_and_acknowledgements_are_read(tmp_path: Path) -> None:
    keys = KEYS["carol"]
    news = {
        "id": keys.id.text,
        "pub": encode_base32(keys.exchpub),
        "prv": encode_base32(keys.exchprv),
        "subs": ["carol", KEYS["bob"].id.text],
        "incoming": "/in",
        "exec": {"x": ["/bin/cat"]},
        "allow-unknown": True,
    }
    tree = changed(config_tree(tmp_path), "areas", {"news": news, "relayed": {"id": keys.id.text}})
    tree = changed(tree, "neigh.bob.ack", {"minsize": 2, "nice": "P"})
    book = load(tmp_path, tree).book
    subs = (KEYS["carol"].id, KEYS["bob"].id)
    handles = {"x": ("/bin/cat",)}
    assert book.areas == {
        "news": Area(
            "news", keys.id, keys.exchpub, keys.exchprv, subs, "/in", handles, is_unknown_allowed=True
        ),
        "relayed": Area("relayed", keys.id),
    }
    assert (book.nodes["bob"].ack, book.nodes["carol"].ack) == (Ack(96, 2048), Ack(255, 0))
