"""Fuzz targets of what an operator, or a program of his, wrote: configurations and what is in them."""

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from gateway.config.gateway_toml import build_config, parse_gateway_text
from gateway.config.hjson_text import render_new_config
from gateway.config.nncp import MailPair, NncpConfig, check_document, load_nncp_config
from gateway.config.nncp_directory import read_directory, write_directory
from gateway.config.nncp_document import parse_document
from gateway.config.node_name import check_node_name
from gateway.config.pairing import Acceptance, accept
from gateway.config.public_block import parse_block, render_block
from gateway.config.toml_edit import Terms, append_neighbour
from gateway.durable import Disk
from gateway.errors import GatewayError
from gateway.ids import BatchId, NodeId, encode_base32, format_nice, parse_nice
from gateway.spool.layout import parse_packet_name
from tests.fuzz.target import Target, text_of
from tests.support.packets import golden_keys, make_keys

DISK = Disk(is_syncing=False)
NAME_LIMIT_BYTES = 255
NEWCOMER = "newcomer"
GATEWAY_TOML = """[node]
hostname = "mx.a.test"
nncp_config = "nncp.hjson"
"""
EXAMPLE = Path(__file__).resolve().parents[2] / "conf" / "gateway.toml"


@cache
def place() -> Path:
    """A directory that goes away with the process."""
    directory = tempfile.mkdtemp(prefix="fuzz-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return Path(directory)


def configuration(data: bytes) -> None:
    """A configuration file; its faults quote no key."""
    path = place() / "nncp.hjson"
    path.write_bytes(data)
    said = ""
    try:
        load_nncp_config(path, {})
    except GatewayError as error:
        said = str(error)
    assert encode_base32(golden_keys("alice").exchprv) not in said


def configuration_seeds() -> Iterator[bytes]:
    """A fresh one with comments and one without, with an area."""
    for is_commented in (False, True):
        yield render_new_config(golden_keys("alice"), is_commented=is_commented).encode()
    yield small_configuration().encode()
    # What the parser of Hjson stumbled over.
    yield from (b"{a: '''", b"/*", b"a: " + b"1" * 5000, b"a: 1e999999")


def small_configuration() -> str:
    """A JSON configuration with most kinds of settings."""
    keys = golden_keys("bob")
    public = {name: encode_base32(getattr(keys, name)) for name in ("exchpub", "signpub", "noisepub")}
    bob: dict[str, object] = {"id": keys.id.text, **public, "exec": {"sendmail": ["/bin/true", "-x"]}}
    bob |= {"incoming": "/i", "freq": {"path": "/f", "chunked": 1, "minsize": 2}, "via": [], "rxrate": 1}
    bob |= {"calls": [{"cron": "*/5 * * * *", "nice": "N+3", "xx": "rx"}], "addrs": {"lan": "[::1]:1"}}
    bob |= {"ack": {"nice": "F", "minsize": 1}, "onlinedeadline": 3}
    notify = {"file": {"from": "a@b", "to": "c@d"}, "exec": {"bob.x": {"from": "a@b", "to": "c@d"}}}
    areas = {"news": {"id": keys.id.text, "subs": ["bob"], "incoming": "/n", "allow-unknown": True}}
    tree = {"spool": "/s", "log": "/l", "umask": "022", "noprogress": True, "notify": notify}
    return json.dumps({**tree, "neigh": {"self": bob, "bob": bob}, "areas": areas})


def directory(data: bytes) -> None:
    """A configuration as a directory; one in order says the same after we wrote it anew."""
    root, copy = place() / "read", place() / "written"
    for path in (root, copy):
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
    _lay_out(os.fsencode(root), data)
    document = read_directory(root)
    was = check_document(root, document, {})
    write_directory(copy, document, DISK)
    assert _said(check_document(copy, read_directory(copy), {})) == _said(was)


def _lay_out(root: bytes, data: bytes) -> None:
    """Make a tree of files: ``PATH=content`` is a file, ``PATH`` a directory, ``PATH|=`` a FIFO."""
    for part in data.split(b"\0"):
        raw_path, equals, content = part.partition(b"=")
        names = [name for name in raw_path.rstrip(b"|").split(b"/") if name not in {b"", b".", b".."}]
        if not names or max(map(len, names)) > NAME_LIMIT_BYTES:
            continue
        path = b"/".join([root, *names])
        try:
            os.makedirs(b"/".join([root, *names[:-1]]) if equals else path, exist_ok=True)  # noqa: PTH103 -- bytes
            if not equals:
                continue
            if raw_path.endswith(b"|"):
                os.mkfifo(path)
            else:
                # A FIFO is there already, or is no exclusive file: opening one would wait for ever.
                with open(path, "xb") as opened:  # noqa: PTH123 -- bytes
                    opened.write(content)
        except OSError:
            # What is there already stays.
            continue


def _said(config: NncpConfig) -> tuple[object, ...]:
    book = config.book
    keys = ("spool", "log", "umask", "noprogress", "nohdr", "discovery", "yggdrasil_aliases")
    # An object without members has no file.
    pairs = {"file": config.notify.file, "freq": config.notify.freq, **config.notify.exec}
    notify = {name: pair for name, pair in pairs.items() if pair not in (None, MailPair("", ""))}
    return (book.own, book.nodes, book.areas, notify, *(getattr(config, key) for key in keys))


def directory_seeds() -> Iterator[bytes]:
    """The files that we write of sound configurations."""
    root = place() / "seed"
    for text in (small_configuration(), render_new_config(golden_keys("alice"))):
        document = parse_document(text, Path("seed"))
        # An example in it, .*, is no name of a file.
        document.pop("mcd-send", None)
        write_directory(root, document, DISK)
        files = sorted(path for path in root.rglob("*") if path.is_file())
        yield b"\0".join(os.fsencode(path.relative_to(root)) + b"=" + path.read_bytes() for path in files)
        shutil.rmtree(root)
    yield b"spool|=\0neigh=text\0self\0\xff=\0calls/0/cron=x"


@cache
def _nncp() -> NncpConfig:
    path = place() / "plain.hjson"
    path.write_text(small_configuration())
    return load_nncp_config(path, {})


def gateway_toml(data: bytes) -> None:
    """Our own configuration file; a neighbour that is added to it is there, and nothing else changed."""
    path, text = Path("/etc/gateway.toml"), text_of(data)
    file = parse_gateway_text(path, text)
    added, _ = append_neighbour(path, text, file, Terms(NEWCOMER, ("newcomer.test",)))
    after = parse_gateway_text(path, added)
    assert after.neighbour.keys() - file.neighbour.keys() <= {NEWCOMER}
    assert after.route[: len(file.route)] == file.route
    build_config(path, file, _nncp())


def pairing(data: bytes) -> None:
    """Adding a neighbour to a file: it is there and loads, or both files are as they were."""
    directory = place() / "pairing"
    directory.mkdir(exist_ok=True)
    nncp, ours = directory / "nncp.hjson", directory / "gateway.toml"
    nncp.write_bytes(data)
    ours.write_text(GATEWAY_TOML)
    wish = Acceptance(NEWCOMER, parse_block(_newcomer(), "block"), ("newcomer.test",))
    try:
        accept(ours, wish, {}, DISK)
    except GatewayError:
        assert nncp.read_bytes() == data
        assert ours.read_text() == GATEWAY_TOML
        raise
    assert NEWCOMER in load_nncp_config(nncp, {}).book.nodes


@cache
def _newcomer() -> str:
    return render_block(make_keys("newcomer").public, ())


def public_block(data: bytes) -> None:
    """The block of text by which two nodes are paired."""
    parse_block(text_of(data), "block")


def names(data: bytes) -> None:
    """Ids, nicenesses and names as people and file names spell them; what is read can be written."""
    text = text_of(data)
    found = parse_packet_name(text)
    assert found is None or parse_packet_name(found.text) == found
    for read in (NodeId.parse, BatchId.parse, check_node_name):
        try:
            value = read(text)
        except GatewayError:
            continue
        assert read(str(value)) == value
    nice = parse_nice(text)
    assert parse_nice(format_nice(nice)) == nice


CONFIGURATIONS: Mapping[str, Target] = {
    "config": Target(
        configuration, configuration_seeds, (b"'''", b"/*", b"*/", b"//", b"#"), limit_bytes=16384
    ),
    "directory": Target(
        directory, directory_seeds, (b"\0neigh/", b"/calls/0/", b"|=", b"=\n", b"exec/"), limit_bytes=8192
    ),
    "toml": Target(
        gateway_toml,
        lambda: [GATEWAY_TOML.encode(), EXAMPLE.read_bytes()],
        (b"[[route]]\n", b"[neighbour.", b"pattern = ", b"'''", b'"""', b"\\u"),
        limit_bytes=16384,
    ),
    "pairing": Target(
        pairing,
        configuration_seeds,
        (b"'''", b"/*", b"*/", b"//", b"#", b"neigh", b"exec"),
        limit_bytes=16384,
    ),
    "block": Target(public_block, lambda: [render_block(golden_keys("bob").public, ("b.test",)).encode()]),
    "names": Target(
        names,
        lambda: [golden_keys("bob").id.text.encode(), b"N+10", b"129", b"0" * 32],
        (b"FLASH", b"priority", b"max", b"bulk-", b"9" * 4400),
        limit_bytes=8192,
    ),
}
"""By the name that ``./run fuzz`` takes."""
