"""What the guide to thin links says is so: figures, defaults, examples."""

import dataclasses
import re
import tomllib
from pathlib import Path

import hjson
import pytest

from gateway.carry.online.link_settings import link_settings
from gateway.config.nncp import load_nncp_config
from gateway.config.toml_schema import GatewayFile
from gateway.schedule.call import THIN, THIN_DEADLINE_SECONDS, Limits, Link
from tests.support.links import Host, Pipe, make_packet
from tests.support.nncp_configs import changed, config_tree, write_config

PROJECT = Path(__file__).resolve().parents[2]
TEXT = (PROJECT / "docs" / "howto" / "thin-links.md").read_text()
COUNTS = {"nothing to send": 0, "one packet of 1,000 bytes": 1, "ten packets of 1,000 bytes": 10}
KEYS = {
    "padding": "padding",
    "ping-interval": "ping_seconds",
    "handshake-deadline": "handshake_seconds",
    "stall-deadline": "stall_seconds",
    "silence-deadline": "silence_seconds",
    "max-bytes": "budget_bytes",
    "chunk": "chunk_bytes",
}


def row(start: str) -> list[str]:
    """The cells of the table row that begins so, without their marks."""
    [line] = [line for line in TEXT.splitlines() if line.startswith(f"| {start} |")]
    return [cell.strip().strip("`") for cell in line.strip("|").split("|")]


def session_bytes(link: Link, sizes: list[int]) -> int:
    """Bytes on the wire of one session that carries packets of these sizes."""
    packets = [(96, make_packet(size, number)) for number, size in enumerate(sizes)]
    receiving = Host()
    pipe = Pipe(Host(packets), receiving, link_settings(link, Limits(deadline_seconds=120)))
    pipe.run()
    assert len(receiving.received) == len(sizes)
    return sum(session.sent_bytes for session in pipe.sessions)


@pytest.mark.parametrize("what", COUNTS)
def test_cost_of_a_session(what: str) -> None:
    sizes = [1000] * COUNTS[what]
    links = [dataclasses.replace(THIN, padding=padding) for padding in ("none", "go", "full")]
    assert [str(session_bytes(link, sizes)) for link in links] == row(what)[1:]


def test_cost_of_small_pieces() -> None:
    set_up_bytes = session_bytes(THIN, [])
    found = []
    for text in row("a packet of 20,000 bytes in pieces of")[1:]:
        link = dataclasses.replace(THIN, chunk_bytes=int(text.split()[0]))
        found.append(f"{(session_bytes(link, [20_000]) - set_up_bytes - 20_000) / 200:.1f} %")
    assert row("costs on top of it")[1:] == found


@pytest.mark.parametrize("key", KEYS)
def test_defaults(key: str) -> None:
    _, default, thin, _ = row(f"`{key}`")
    assert default == str(getattr(Link(), KEYS[key]))
    assert thin == str(getattr(THIN, KEYS[key]))


def test_default_of_the_deadline() -> None:
    _, default, thin, _ = row("`onlinedeadline` of the neighbour")
    assert (default, thin) == (str(Limits().deadline_seconds), str(THIN_DEADLINE_SECONDS))


def examples(name: str) -> list[str]:
    """The indented examples that begin with a name."""
    blocks = re.findall(r"(?:^    .*\n|^\n)+", TEXT, re.MULTILINE)
    lines = ["\n".join(line[4:] for line in block.splitlines()).strip("\n") for block in blocks]
    return [text for text in lines if text.startswith(name)]


@pytest.mark.parametrize(("name", "call_count"), [("hf", 2), ("sat", 1)])
def test_neighbours_of_the_examples_are_read_without_a_warning(
    tmp_path: Path, name: str, call_count: int
) -> None:
    example = examples(f"{name}: {{")[-1].replace("id: ... exchpub: ... signpub: ... noisepub: ...", "")
    values = hjson.loads("{" + example + "}")[name]
    tree = config_tree(tmp_path)
    for key, value in values.items():
        tree = changed(tree, f"neigh.bob.{key}", value)
    config = load_nncp_config(write_config(tmp_path, tree), {})
    assert config.warnings == ()
    online = config.book.find("bob").online
    assert online.link.is_thin
    assert len(online.calls) == call_count
    assert all(call.link == online.link for call in online.calls)


def test_gateway_toml_of_the_example() -> None:
    [example] = examples("[neighbour.hf]")
    file = GatewayFile.model_validate(tomllib.loads(example))
    assert file.neighbour["hf"].understands == "gateway"
    assert file.batch.flush_interval_seconds == 60
