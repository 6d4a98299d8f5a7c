from collections.abc import Generator
from pathlib import Path

import pytest

from gateway.config.gateway_toml import load_gateway_config
from gateway.daemon.parts import Parts
from gateway.daemon.stages import RxWatch, make_stages
from tests.support.gateways import GatewayNode, kept_logging, mail, pair

ALICE, BOB = "alice@a.test", "bob@b.test"


class Time:
    """A wall clock and a steady clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.wall = 0.0


@pytest.fixture
def nodes(tmp_path: Path) -> tuple[GatewayNode, GatewayNode]:
    a, b = GatewayNode(tmp_path / "a", "a.test"), GatewayNode(tmp_path / "b", "b.test")
    pair(a, b)
    return a, b


@pytest.fixture
def parts(nodes: tuple[GatewayNode, GatewayNode]) -> Generator[Parts]:
    with kept_logging(), Parts(load_gateway_config(nodes[1].config_path, {}), {}) as opened:
        yield opened


def make_watch(parts: Parts, time: Time) -> RxWatch:
    return RxWatch(parts, 300.0, lambda: time.wall, lambda: time.now)


def test_a_packet_that_came_in_is_news_once(nodes: tuple[GatewayNode, GatewayNode], parts: Parts) -> None:
    a, b = nodes
    time = Time()
    time.wall = 1e10
    watch = make_watch(parts, time)
    assert watch.has_news()
    assert not watch.has_news()
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    a.carry_to(b, b.home / "stick")
    assert watch.has_news()
    assert not watch.has_news()


def test_what_failed_is_tried_again_after_a_while(parts: Parts) -> None:
    time = Time()
    watch = make_watch(parts, time)
    assert watch.has_news()
    time.now += 299
    assert not watch.has_news()
    time.now += 1
    assert watch.has_news()


def test_a_directory_that_changed_just_now_is_looked_at_again(
    nodes: tuple[GatewayNode, GatewayNode], parts: Parts
) -> None:
    a, b = nodes
    time = Time()
    directory = b.spool / a.id / "rx"
    directory.mkdir(parents=True)
    time.wall = directory.stat().st_mtime + 0.5
    watch = make_watch(parts, time)
    assert watch.has_news()
    assert watch.has_news()
    time.wall += 10
    assert watch.has_news()
    assert not watch.has_news()


def test_every_stage_does_its_work_and_says_when_it_wants_to_run_again(
    nodes: tuple[GatewayNode, GatewayNode], parts: Parts
) -> None:
    a, b = nodes
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    a.carry_to(b, b.home / "stick")
    b.send(BOB, [ALICE], mail(2, BOB, ALICE))
    runs = {stage.name: stage.build() for stage in make_stages(parts, lambda: False)}
    wanted = {name: run() for name, run in runs.items()}
    assert wanted.keys() == {"batch", "toss", "deliver", "report", "housekeeping"}
    seconds = wanted["batch"]
    assert seconds is not None
    assert 0 < seconds <= 60
    assert wanted["toss"] is wanted["deliver"] is wanted["report"] is wanted["housekeeping"] is None
    assert b.mails()[0].endswith(mail(1, ALICE, BOB))


def test_the_toss_stops_between_packets_when_asked(
    nodes: tuple[GatewayNode, GatewayNode], parts: Parts
) -> None:
    a, b = nodes
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    a.carry_to(b, b.home / "stick")
    (toss,) = [stage for stage in make_stages(parts, lambda: True) if stage.name == "toss"]
    toss.build()()
    assert len(b.packets(a.id, "rx")) == 1


def test_housekeeping_removes_what_a_crash_left_and_what_is_old(
    nodes: tuple[GatewayNode, GatewayNode], parts: Parts
) -> None:
    _, b = nodes
    stray = b.home / "state" / "queue" / "bodies" / "0123456789abcdef"
    stray.write_bytes(b"x")
    b.send(ALICE, [BOB], mail(1, ALICE, BOB))
    b.run("deliver")
    (house,) = [stage for stage in make_stages(parts, lambda: False) if stage.name == "housekeeping"]
    house.build()()
    assert not stray.exists()
    assert len(b.queue("--all")) == 1
    b.set_toml("queue", "keep_finished_days = 0\n")
    with Parts(load_gateway_config(b.config_path, {}), {}) as others:
        (house,) = [stage for stage in make_stages(others, lambda: False) if stage.name == "housekeeping"]
        house.build()()
    assert b.queue("--all") == []


def test_our_handler_runs_in_this_process_and_others_do_not(
    nodes: tuple[GatewayNode, GatewayNode], parts: Parts
) -> None:
    _, b = nodes
    handles = b.nncp()["neigh"]["a"]["exec"]
    assert parts.find_in_process(handles["rsmtp"]) is not None
    assert parts.find_in_process(["/bin/cat"]) is None
