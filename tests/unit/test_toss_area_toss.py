"""Messages of areas are passed on once to each subscriber, and processed once."""

from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ConfigError, UnknownNode
from gateway.packet.plain import PacketType, PlainHeader
from gateway.packet.seal import Hop, OnionSealer
from gateway.packet.sealed import area_message_id
from gateway.toss.tosser import TossResult
from gateway.tx.area_packet import Target, find_target
from gateway.tx.exec_packet import send_exec
from tests.support.areas import AREA_ID, AreaNodes
from tests.support.packets import hop_to, make_keys, open_packet, seal_packet, seeded
from tests.support.tossing import forget

STAR = {"a": ("b", "c")}
RING = {"a": ("b",), "b": ("c",), "c": ("a",)}
FULL = {"a": ("b", "c"), "b": ("a", "c"), "c": ("a", "b")}
BAD = TossResult(bad_count=1)
DONE = TossResult(done_count=1)


@pytest.mark.parametrize("subs", [STAR, RING, FULL])
def test_every_member_but_the_author_gets_a_message_once(tmp_path: Path, subs: dict[str, Any]) -> None:
    nodes = AreaNodes(tmp_path, subs)
    nodes.post(b"first ", "arg")
    nodes.post(b"second ")
    results = nodes.settle()
    assert not any(result.bad_count for result in results)
    assert nodes.got("a") == ""
    for name in ("b", "c"):
        assert sorted(nodes.got(name).split()) == ["first", "second"]
        by = (tmp_path / name / "got.by").read_text().splitlines()
        assert sorted(by) == [f"{AREA_ID} ", f"{AREA_ID} arg"]
    assert nodes.own_waiting() == 0


def test_what_is_passed_on_keeps_its_bytes_and_its_niceness(tmp_path: Path) -> None:
    nodes = AreaNodes(tmp_path, STAR)
    sent = nodes.post(b"body" * 100_000, nice=77, is_compressed=False)
    assert nodes.toss("a") == DONE
    inner = set()
    for name in ("b", "c"):
        [job] = nodes.waiting(name)
        reader = nodes.books[name].private_keys()
        opened = open_packet(job.path.read_bytes(), reader.id, reader.exchprv, nodes.books[name].find_keys)
        assert (opened.plain, opened.nice) == (PlainHeader(PacketType.AREA, 0, AREA_ID.raw), 77)
        assert sent.message is not None
        assert area_message_id(opened.payload[:172]) == sent.message.id
        inner.add(opened.payload)
        assert nodes.marked("a", name, sent)
    assert len(inner) == 1


@pytest.mark.parametrize("minsize_bytes", [4096, 133_120])
def test_padding_reaches_every_subscriber(tmp_path: Path, minsize_bytes: int) -> None:
    nodes = AreaNodes(tmp_path, STAR)
    sent = nodes.post(b"small", minsize_bytes=minsize_bytes)
    assert minsize_bytes <= sent.size_bytes <= minsize_bytes + 16
    nodes.toss("a")
    for name in ("b", "c"):
        [job] = nodes.waiting(name)
        assert job.size_bytes == sent.size_bytes
    nodes.settle()
    assert nodes.got("b") == "small"


def test_a_node_without_the_key_passes_on_what_it_cannot_read(tmp_path: Path) -> None:
    nodes = AreaNodes(tmp_path, {"a": ("b",), "b": ("c",)}, keyless=["b"])
    sent = nodes.post(b"body")
    nodes.settle()
    assert (nodes.got("b"), nodes.got("c")) == ("", "body")
    assert nodes.marked("b", "b", sent)
    assert nodes.received("b") == []


def test_a_subscriber_who_sent_the_message_does_not_get_it_back(tmp_path: Path) -> None:
    nodes = AreaNodes(tmp_path, {"a": ("b",), "b": ("a",)})
    sent = nodes.post(b"body")
    nodes.toss("a")
    nodes.deliver("a", "b")
    assert nodes.toss("b") == DONE
    assert nodes.waiting("a", at="b") == []
    assert nodes.marked("b", "a", sent)


def test_a_message_that_is_here_already_is_dropped_without_a_record(tmp_path: Path) -> None:
    nodes = AreaNodes(tmp_path, {"a": ("b",)})
    nodes.post(b"body")
    nodes.toss("a")
    [job] = nodes.waiting("b")
    packet = job.path.read_bytes()
    nodes.deliver("a", "b")
    nodes.toss("b")
    told = nodes.log_text("b")
    nodes.put(packet)
    assert nodes.toss("b") == DONE
    assert (nodes.got("b"), nodes.log_text("b")) == ("body", told)
    assert nodes.received("b") == []


def test_the_record_names_area_message_and_what_was_done(tmp_path: Path) -> None:
    nodes = AreaNodes(tmp_path, {"a": ("b",), "b": ("c",)})
    sent = nodes.post(b"body", "arg")
    assert sent.message is not None
    nodes.toss("a")
    nodes.deliver("a", "b")
    nodes.toss("b")
    assert (
        f"Type: area\nArea: {AREA_ID}\nAreaMsg: {sent.message.id}\nEcho: {nodes.id('c')}\nMsg: Tossing a/"
        in (nodes.log_text("b"))
    )
    assert f"Type: area\nArea: {AREA_ID}\nAreaMsg: {sent.message.id}\nSize: 17\nType: exec\nDst: x arg\n" in (
        nodes.log_text("b")
    )
    assert "Msg: Got exec from news to x arg (17 B)\n" in nodes.log_text("b")


def test_a_dry_run_tells_and_changes_nothing(tmp_path: Path) -> None:
    nodes = AreaNodes(tmp_path, {"a": ("b", "c")})
    nodes.post(b"body")
    assert nodes.toss("a", is_dry_run=True) == DONE
    assert "area news: echoing to: c" in nodes.log_text("a")
    assert (nodes.own_waiting(), nodes.waiting("b"), nodes.waiting("c")) == (1, [], [])
    nodes.settle()
    assert nodes.got("b") == "body"


class TestRefused:
    """Packets that stay, and are told."""

    def arrive(self, nodes: AreaNodes) -> None:
        nodes.post(b"body")
        nodes.toss("a")
        nodes.deliver("a", "b")

    def test_an_area_that_is_not_known(self, tmp_path: Path) -> None:
        nodes = AreaNodes(tmp_path, {"a": ("b",)})
        nodes.books["b"].areas.clear()
        self.arrive(nodes)
        assert nodes.toss("b") == BAD
        assert "Who: rx-area-unknown" in nodes.log_text("b")
        assert len(nodes.received("b")) == 1

    @pytest.mark.parametrize("path", [b"", b"short", AREA_ID.raw + b"x"])
    def test_a_path_that_is_no_id(self, tmp_path: Path, path: bytes) -> None:
        nodes = AreaNodes(tmp_path, {})
        nodes.put_typed(PacketType.AREA, path, b"x" * 500)
        assert nodes.toss("b") == BAD
        assert f"the area's id has {len(path)} bytes, not 32" in nodes.log_text("b")

    def test_a_handle_that_the_area_lacks_is_bad_but_the_message_goes_on(self, tmp_path: Path) -> None:
        nodes = AreaNodes(tmp_path, {"a": ("b",), "b": ("c",)})
        nodes.set_area(
            "b", pub=nodes.area("b").pub, prv=nodes.area("b").prv, exec={}, subs=nodes.area("b").subs
        )
        self.arrive(nodes)
        for _ in range(2):
            assert nodes.toss("b") == BAD
        assert len(nodes.waiting("c", at="b")) == 1
        assert "Who: rx-no-handle" in nodes.log_text("b")

    def test_a_kind_that_is_switched_off_stays(self, tmp_path: Path) -> None:
        nodes = AreaNodes(tmp_path, {"a": ("b",)})
        self.arrive(nodes)
        assert nodes.toss("b", no_exec=True) == TossResult(left_count=1)
        nodes.toss("b")
        assert nodes.got("b") == "body"

    @pytest.mark.parametrize(("is_allowed", "result"), [(False, BAD), (True, DONE)])
    def test_an_author_who_is_no_neighbour(
        self, tmp_path: Path, *, is_allowed: bool, result: TossResult
    ) -> None:
        nodes = AreaNodes(tmp_path, {"a": ("b",), "b": ("c", "d")}, ["a", "b", "c", "d"])
        nodes.post(b"body")
        nodes.toss("a")
        nodes.deliver("a", "b")
        nodes.toss("b")
        nodes.deliver("b", "c")
        subs = (nodes.id("d"),)
        area = nodes.area("c")
        nodes.set_area("c", pub=area.pub, prv=area.prv, subs=subs, is_unknown_allowed=is_allowed)
        areas = nodes.books["c"].areas
        nodes.books["c"] = forget(nodes.books["c"], "a")
        assert nodes.books["c"].areas == areas
        assert nodes.toss("c") == result
        assert nodes.got("c") == ("body" if is_allowed else "")
        assert len(nodes.waiting("d", at="c")) == 1

    @pytest.mark.parametrize("kind", [PacketType.FREQ, PacketType.TRNS, PacketType.AREA, PacketType.ACK, 99])
    def test_a_message_may_not_ask_for_everything(self, tmp_path: Path, kind: int) -> None:
        nodes = AreaNodes(tmp_path, {})
        nodes.put_typed(PacketType.AREA, AREA_ID.raw, sealed_for_area(nodes, PlainHeader(kind, 1, b"p" * 32)))
        assert nodes.toss("b") == BAD
        assert "Who: rx-type-unknown" in nodes.log_text("b")

    def test_a_damaged_message_is_not_passed_on(self, tmp_path: Path) -> None:
        nodes = AreaNodes(tmp_path, {"b": ("c",)})
        message = bytearray(sealed_for_area(nodes, PlainHeader(PacketType.EXEC_FAT, 1, b"x")))
        message[-1] ^= 1
        nodes.put_typed(PacketType.AREA, AREA_ID.raw, bytes(message))
        assert nodes.toss("b") == BAD
        assert "Who: rx-area-pkt-enc-read" in nodes.log_text("b")
        assert nodes.waiting("c", at="b") == []

    @pytest.mark.parametrize("message", [b"", b"garbage" * 100])
    @pytest.mark.parametrize("keyless", [(), ("b",)])
    def test_garbage_is_not_passed_on(self, tmp_path: Path, message: bytes, keyless: tuple[str, ...]) -> None:
        nodes = AreaNodes(tmp_path, {"b": ("c",)}, keyless=keyless)
        nodes.put_typed(PacketType.AREA, AREA_ID.raw, message)
        assert nodes.toss("b") == BAD
        assert nodes.waiting("c", at="b") == []

    def test_a_message_for_another_area(self, tmp_path: Path) -> None:
        nodes = AreaNodes(tmp_path, {"b": ("c",)}, keyless=["b"])
        other = seal_packet(b"", nodes.books["a"].private_keys(), make_keys("other"))
        nodes.put_typed(PacketType.AREA, AREA_ID.raw, other)
        assert nodes.toss("b") == BAD
        assert "invalid recipient" in nodes.log_text("b")
        assert nodes.waiting("c", at="b") == []


def sealed_for_area(nodes: AreaNodes, plain: PlainHeader) -> bytes:
    public, _ = nodes.area("a").keys()
    author = nodes.books["a"].private_keys()
    sealer = OnionSealer(author, Hop(AREA_ID, public), (), plain, nice=96, rng=seeded("message"))
    return bytes(sealer.feed(b"body" * 100)) + sealer.finish()


def test_layers_of_an_area_message(tmp_path: Path) -> None:
    author, relay = make_keys("author"), make_keys("relay")
    area = Hop(AREA_ID, AreaNodes(tmp_path, {}).area("a").keys()[0])
    plain = PlainHeader(PacketType.FILE, 5, b"name")
    sealer = OnionSealer(author, hop_to(relay), (), plain, nice=7, rng=seeded("s"), area=area)
    packet = bytes(sealer.feed(b"payload")) + sealer.finish()
    outer = open_packet(packet, relay.id, relay.exchprv, {author.id: author.public}.get)
    assert outer.plain == PlainHeader(PacketType.AREA, 0, AREA_ID.raw)
    assert outer.payload.startswith(sealer.inner_header)


def test_only_our_messages_to_areas_leave_our_own_tx(tmp_path: Path) -> None:
    nodes = AreaNodes(tmp_path, {"a": ("b",)})
    send_exec(nodes.spools["a"], nodes.books["a"].private_keys(), nodes.request("x", to="self"), [b"for me"])
    waiting = nodes.waiting("a", at="a")
    assert len(waiting) == 1
    nodes.post(b"body")
    assert nodes.toss("a", no_area=True) == TossResult(left_count=1)
    assert nodes.toss("a") == DONE
    assert nodes.waiting("a", at="a") == waiting


def test_a_target_is_a_node_or_an_area(tmp_path: Path) -> None:
    nodes = AreaNodes(tmp_path, {}, keyless=["b"])
    book = nodes.books["a"]
    assert find_target(book, "b") == Target(book.nodes["b"])
    assert find_target(book, "area:news") == Target(book.self_node, nodes.area("a"))
    assert find_target(book, f"area:{AREA_ID}").area == nodes.area("a")
    for name in ("area:sports", "nobody", "area:"):
        with pytest.raises(UnknownNode):
            find_target(book, name)
    with pytest.raises(ConfigError, match="no encryption keys"):
        find_target(nodes.books["b"], "area:news")


@pytest.mark.parametrize("is_known", [True, False])
def test_the_author_is_named_if_the_signature_was_checked(tmp_path: Path, *, is_known: bool) -> None:
    nodes = AreaNodes(tmp_path, {"a": ("b",), "b": ("c",)})
    area, out = nodes.area("c"), tmp_path / "who"
    script = f'echo "$NNCP_SENDER ${{NNCP_AUTHOR-nobody}}" > {out}'
    handles = {"x": ("/bin/sh", "-c", script)}
    nodes.set_area("c", pub=area.pub, prv=area.prv, is_unknown_allowed=True, exec=handles)
    if not is_known:
        areas = nodes.books["c"].areas
        nodes.books["c"] = forget(nodes.books["c"], "a")
        assert nodes.books["c"].areas == areas
    nodes.post(b"body")
    for source, target in (("a", "b"), ("b", "c")):
        assert nodes.toss(source) == DONE
        nodes.deliver(source, target)
    assert nodes.toss("c") == DONE
    assert out.read_text() == f"{AREA_ID} {nodes.id('a') if is_known else 'nobody'}\n"
