import json
import os
import stat
from pathlib import Path

import pytest

from gateway.config.nncp_directory import write_directory
from gateway.config.nncp_document import parse_document
from gateway.config.nncp_forms import read_document
from gateway.config.own_program import HANDLES, find_handle, is_own_command, own_command
from gateway.config.public_block import parse_block, render_block
from gateway.durable import Disk
from gateway.errors import ConfigError
from gateway.packet.keys import generate_keys
from tests.support.gateways import Done, GatewayNode


@pytest.fixture
def nodes(tmp_path: Path) -> tuple[GatewayNode, GatewayNode]:
    return GatewayNode(tmp_path / "a", "a.test"), GatewayNode(tmp_path / "b", "b.test")


def accept(node: GatewayNode, block: str, *words: str) -> Done:
    return node.run("accept", *words, stdin=block.encode(), is_checked=False)


def texts(node: GatewayNode) -> tuple[str, str]:
    return node.nncp_path.read_text(), node.config_path.read_text()


def secrets_of(node: GatewayNode) -> list[str]:
    return [value for key, value in node.nncp()["self"].items() if key.endswith("prv")]


def test_accept_adds_keys_handles_table_and_routes(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, b = nodes
    done = accept(a, b.run("invite").out, "bob", "--domain", "b.test", "--domain", ".b.test")
    assert done.status == 0
    assert [line.split(": ", 1)[1] for line in done.out.splitlines()] == [
        "neigh.bob added",
        "neighbour.bob added, understands 'gateway'",
        "mail for b.test goes to bob",
        "mail for .b.test goes to bob",
    ]
    entry = a.nncp()["neigh"]["bob"]
    assert entry["id"] == b.id
    for handle in HANDLES:
        assert entry["exec"][handle] == [*own_command(), "-c", str(a.config_path), "receive", handle]
        assert Path(entry["exec"][handle][0]).is_absolute()
    assert "to node bob (rule .b.test)" in a.run("route", "x@sub.b.test").out
    assert a.run("check").out.endswith("neighbours: bob\n")


def test_comments_stay_and_the_old_files_are_kept(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, b = nodes
    a.nncp_path.write_text("# mine\n" + a.nncp_path.read_text())
    a.config_path.write_text("# mine too\n" + a.config_path.read_text())
    before = texts(a)
    accept(a, b.run("invite").out, "bob", "--domain", "b.test")
    after = texts(a)
    for old, new in zip(before, after, strict=True):
        lines = iter(new.splitlines())
        assert all(line in lines for line in old.splitlines())
    backups = [a.nncp_path.with_name("nncp.hjson.bak"), a.config_path.with_name("gateway.toml.bak")]
    assert tuple(path.read_text() for path in backups) == before
    assert [stat.S_IMODE(path.stat().st_mode) for path in (*backups, a.nncp_path, a.config_path)] == [
        0o600, 0o640, 0o600, 0o640,
    ]  # fmt: skip
    assert not list(a.home.glob(".*.new"))


def test_the_same_again_changes_nothing(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, b = nodes
    words = ("bob", "--domain", "b.test", "--understands", "bsmtp")
    accept(a, b.run("invite").out, *words)
    before = texts(a)
    done = accept(a, b.run("invite").out, *words)
    assert done.out.splitlines()[0] == "bob is known already; nothing was changed"
    assert texts(a) == before


def test_more_domains_can_be_added_later(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, b = nodes
    accept(a, b.run("invite").out, "bob", "--domain", "b.test")
    done = accept(a, b.run("invite").out, "bob", "--domain", "b.test", "--domain", "c.test")
    assert done.out == f"{a.config_path}: mail for c.test goes to bob\n"


def test_private_keys_are_never_printed(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, b = nodes
    printed = [
        a.run("invite").out,
        accept(a, b.run("invite").out, "bob").out,
        a.run("check").out,
        accept(a, b.nncp_path.read_text(), "other").err,
    ]
    for secret in (*secrets_of(a), *secrets_of(b)):
        assert not any(secret in text for text in printed)


def test_a_block_with_private_keys_is_warned_of(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, b = nodes
    done = accept(a, b.nncp_path.read_text(), "bob")
    assert done.status == 0
    assert "holds PRIVATE keys" in done.err
    for secret in secrets_of(b):
        assert secret not in a.nncp_path.read_text()


def test_domains_of_the_block_are_a_suggestion(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, b = nodes
    done = accept(a, b.run("invite").out, "bob")
    assert "add: --domain b.test" in done.out
    assert "b.test" not in a.config_path.read_text()


def test_a_json_configuration_stays_json(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, b = nodes
    a.nncp_path.write_text(json.dumps(a.nncp(), indent=1))
    accept(a, b.run("invite").out, "bob")
    assert json.loads(a.nncp_path.read_text())["neigh"]["bob"]["id"] == b.id


def test_handles_are_added_to_a_neighbour_that_is_known(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, b = nodes
    config = a.nncp()
    keys = {key: value for key, value in b.nncp()["self"].items() if not key.endswith("prv")}
    config["neigh"]["bob"] = {**keys, "exec": {"other": ["/bin/cat"]}}
    a.nncp_path.write_text(json.dumps(config, indent=1))
    done = accept(a, b.run("invite").out, "bob")
    assert "neigh.bob.exec.rsmtp added" in done.out
    handles = a.nncp()["neigh"]["bob"]["exec"]
    assert set(handles) == {"other", *HANDLES}


@pytest.fixture
def with_sendmail(nodes: tuple[GatewayNode, GatewayNode]) -> tuple[GatewayNode, str]:
    """A configuration in which bob's sendmail handle starts something else."""
    a, b = nodes
    config = a.nncp()
    keys = {key: value for key, value in b.nncp()["self"].items() if not key.endswith("prv")}
    config["neigh"]["bob"] = {**keys, "exec": {"sendmail": ["/usr/sbin/sendmail"]}}
    a.nncp_path.write_text(json.dumps(config, indent=1))
    return a, b.run("invite").out


def test_a_handle_that_starts_something_else_is_refused(with_sendmail: tuple[GatewayNode, str]) -> None:
    a, block = with_sendmail
    before = texts(a)
    done = accept(a, block, "bob")
    assert done.status == 78
    assert "neigh.bob.exec.sendmail: starts '/usr/sbin/sendmail'" in done.err
    assert "--keep-handles" in done.err
    assert texts(a) == before


def test_such_a_handle_can_be_kept(with_sendmail: tuple[GatewayNode, str]) -> None:
    a, block = with_sendmail
    assert accept(a, block, "bob", "--keep-handles").status == 0
    handles = a.nncp()["neigh"]["bob"]["exec"]
    assert handles["sendmail"] == ["/usr/sbin/sendmail"]
    assert handles["rsmtp"][-2:] == ["receive", "rsmtp"]


def test_conflicts_are_refused_with_a_clear_text(
    nodes: tuple[GatewayNode, GatewayNode], tmp_path: Path
) -> None:
    a, b = nodes
    other = GatewayNode(tmp_path / "c", "c.test")
    block = b.run("invite").out
    accept(a, block, "bob", "--domain", "b.test", "--understands", "bsmtp")
    before = texts(a)
    refusals = [
        (("bob",), other.run("invite").out, "neigh.bob: is there with other keys"),
        (("robert",), block, "neigh.bob: has these keys; accept them under that name"),
        (("me",), a.run("invite").out, "this is our own node"),
        (("self",), block, "can't be the name of a neighbour"),
        (("../x",), block, "can't be the name of a neighbour"),
        (("bob", "--understands", "gateway"), block, "is 'bsmtp' already, not 'gateway'"),
        (("carol", "--domain", "B.test"), other.run("invite").out, "'B.test' goes to bob already"),
        (("carol", "--domain", "a.test"), other.run("invite").out, "none for domains of [deliver]"),
        (("carol", "--domain", "a..b"), other.run("invite").out, "route[2].pattern: "),
        (("carol", "--via", "nobody"), other.run("invite").out, "via: 'nobody' is not a neighbour"),
        (("bob", "--via", "bob"), block, "neigh.bob.via: is different already"),
    ]
    for words, text, error in refusals:
        done = accept(a, text, *words)
        assert done.status == 78, words
        assert error in done.err, words
        assert texts(a) == before, words


def test_via_is_written(nodes: tuple[GatewayNode, GatewayNode], tmp_path: Path) -> None:
    a, b = nodes
    accept(a, b.run("invite").out, "bob")
    done = accept(a, GatewayNode(tmp_path / "c", "c.test").run("invite").out, "carol", "--via", "bob")
    assert done.status == 0
    assert a.nncp()["neigh"]["carol"]["via"] == ["bob"]


def test_a_configuration_that_is_no_file_is_refused(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, b = nodes
    block = b.run("invite").out
    a.nncp_path.unlink()
    assert "nncp.hjson: cannot read" in accept(a, block, "bob").err
    a.nncp_path.mkdir()
    done = accept(a, block, "bob")
    assert done.status == 78
    assert "nncp.hjson: no settings in it, allowed: a directory as nncp-cfgdir -dump makes it" in done.err
    a.nncp_path.rmdir()
    a.nncp_path.write_bytes(b"NNCPB\0\0\3")
    done = accept(a, block, "bob")
    assert done.status == 78
    assert "nncp.hjson: is an encrypted configuration, which can't be edited; allowed: an Hjson" in done.err
    assert f"nncp cfgenc -d {a.nncp_path} > NEW" in done.err


def turned_into_a_directory(node: GatewayNode) -> Path:
    """The node's NNCP configuration, written as a directory under the same name."""
    document = parse_document(node.nncp_path.read_text(), node.nncp_path)
    node.nncp_path.unlink()
    write_directory(node.nncp_path, document, Disk(is_syncing=False))
    return node.nncp_path


def files_of(directory: Path) -> dict[str, str]:
    return {
        path.relative_to(directory).as_posix(): path.read_text()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_a_directory_gets_files_more_and_none_is_changed(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, b = nodes
    block = b.run("invite").out
    accept(a, block, "bob", "--domain", "b.test")
    wanted = read_document(a.nncp_path)
    a.nncp_path.with_name("nncp.hjson.bak").replace(a.nncp_path)
    a.config_path.with_name("gateway.toml.bak").replace(a.config_path)
    directory = turned_into_a_directory(a)
    assert a.run("invite").status == 0
    before = files_of(directory)
    done = accept(a, block, "bob", "--domain", "b.test")
    assert done.status == 0, done.err
    assert done.out.splitlines()[0] == f"{directory}: neigh.bob added"
    assert read_document(directory) == wanted
    after = files_of(directory)
    assert {name: after[name] for name in before} == before
    assert {name.rsplit("/", 1)[0] for name in after.keys() - before.keys()} == {
        "neigh/bob",
        "neigh/bob/exec",
    }
    assert list(directory.rglob(".*")) == []
    assert "to node bob" in a.run("route", "x@b.test").out
    accept(a, block, "bob", "--domain", "b.test")
    assert files_of(directory) == after


def test_handles_that_a_directory_lacks_are_added(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, b = nodes
    block = b.run("invite").out
    accept(a, block, "bob")
    directory = turned_into_a_directory(a)
    handles = directory / "neigh/bob/exec"
    for missing in (["rsmtp"], HANDLES):
        whole = files_of(directory)
        for name in missing:
            (handles / name).unlink()
        if len(missing) > 1:
            handles.rmdir()
        done = accept(a, block, "bob")
        assert done.out.count("neigh.bob.exec.") == len(missing)
        assert files_of(directory) == whole


def test_a_directory_refuses_what_disagrees(nodes: tuple[GatewayNode, GatewayNode], tmp_path: Path) -> None:
    a, b = nodes
    accept(a, b.run("invite").out, "bob")
    directory = turned_into_a_directory(a)
    before, config = files_of(directory), a.config_path.read_text()
    other = GatewayNode(tmp_path / "c", "c.test").run("invite").out
    assert "is there with other keys" in accept(a, other, "bob").err
    assert "neigh.bob: has these keys; accept them" in accept(a, b.run("invite").out, "carol").err
    assert (files_of(directory), a.config_path.read_text()) == (before, config)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_is_added_to_a_directory_belongs_to_its_owner(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, b = nodes
    directory = turned_into_a_directory(a)
    for path in (directory, *directory.rglob("*")):
        os.chown(path, 1234, 4321)
    (directory / "neigh").chmod(0o2750)
    umask = os.umask(0o077)
    try:
        accept(a, b.run("invite").out, "bob")
    finally:
        os.umask(umask)
    added = directory / "neigh/bob"
    for path in (added, *added.rglob("*")):
        status = path.stat()
        assert (status.st_uid, status.st_gid) == (1234, 4321)
        assert stat.S_IMODE(status.st_mode) == (0o2750 if path.is_dir() else 0o640)


def test_a_file_that_is_a_link_is_changed_where_it_is(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, b = nodes
    real = a.home / "real.hjson"
    a.nncp_path.rename(real)
    a.nncp_path.symlink_to(real)
    accept(a, b.run("invite").out, "bob")
    assert a.nncp_path.is_symlink()
    assert b.id in real.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_owner_of_the_files_stays(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, b = nodes
    for path in (a.nncp_path, a.config_path):
        os.chown(path, 1234, 4321)
    accept(a, b.run("invite").out, "bob")
    for path in (a.nncp_path, a.config_path):
        assert (path.stat().st_uid, path.stat().st_gid) == (1234, 4321)


def test_a_block_is_read_as_it_was_written() -> None:
    keys = generate_keys(os.urandom).public
    block = parse_block(render_block(keys, ("a.test", "b.test")), "x")
    assert (block.keys, block.understands, block.domains) == (keys, "gateway", ("a.test", "b.test"))
    assert not block.has_private_keys


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "x: "),
        ("hello", "x: "),
        ("{}", "x: "),
        ("{neigh: {bob: {}}}", "x: neigh.self is missing"),
        ("{neigh: {self: {id: A\n}}}", "x: neigh.self.id"),
        ("{neigh: {self: 3\n}}", "x: neigh.self is missing"),
        ("x" * 2_000_000, "x: is longer than"),
    ],
)
def test_a_block_that_is_none_is_refused(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_block(text, "x")
    assert str(caught.value).startswith(error)


def test_a_block_whose_id_does_not_belong_to_its_key_is_refused() -> None:
    one, other = generate_keys(os.urandom).public, generate_keys(os.urandom).public
    text = render_block(one, ()).replace(one.id.text, other.id.text)
    with pytest.raises(ConfigError, match="does not belong to signpub"):
        parse_block(text, "x")


def test_our_own_handlers_are_recognised(tmp_path: Path) -> None:
    config, other = tmp_path / "gateway.toml", tmp_path / "other.toml"
    for path in (config, other):
        path.touch()
    own = own_command()
    cases = [
        ([*own, "-c", str(config), "receive", "rsmtp"], "rsmtp"),
        ([*own, "--config", str(config), "receive", "sendmail"], "sendmail"),
        ([*own, "-c", f"{tmp_path}/./gateway.toml", "receive", "rsmtp"], "rsmtp"),
        ([*own, "receive", "rsmtp"], None),
        ([*own, "-c", str(other), "receive", "rsmtp"], None),
        ([*own, "-c", str(config), "receive", "uux"], None),
        ([*own, "-c", str(config), "receive", "rsmtp", "more"], None),
        ([*own, "-c", str(config), "send", "rsmtp"], None),
        (["/usr/sbin/sendmail", "-c", str(config), "receive", "rsmtp"], None),
        ([str(tmp_path / "nncp-gateway"), "-c", str(config), "receive", "rsmtp"], None),
        ([], None),
    ]
    for words, handle in cases:
        assert find_handle(words, config, tmp_path / "default.toml") == handle, words
    assert find_handle([*own, "receive", "rsmtp"], config, config) == "rsmtp"
    assert is_own_command(own) == len(own)
