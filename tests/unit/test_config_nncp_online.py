import dataclasses
import re
from pathlib import Path

import pytest

from gateway.config.nncp import Discovery, NncpConfig, load_nncp_config
from gateway.errors import ConfigError
from gateway.schedule.call import THIN, AutoToss, Call, Limits, Link, Online
from gateway.schedule.cron import parse_cron
from tests.support.nncp_configs import changed, config_tree, write_config


def load(home: Path, values: dict[str, object], **environ: str) -> NncpConfig:
    tree = config_tree(home)
    for path, value in values.items():
        tree = changed(tree, path, value)
    return load_nncp_config(write_config(home, tree), environ)


def online(home: Path, values: dict[str, object], **environ: str) -> Online:
    neigh = {f"neigh.bob.{key}": value for key, value in values.items()}
    return load(home, neigh, **environ).book.find("bob").online


def test_nothing_said(tmp_path: Path) -> None:
    assert online(tmp_path, {}) == Online({}, Limits(0, 0, 10, 0), ())
    config = load(tmp_path, {})
    assert config.discovery == Discovery()
    assert config.yggdrasil_aliases == {}


def test_everything_said(tmp_path: Path) -> None:
    call = {"cron": "@hourly", "nice": "P", "xx": "tx", "addr": "lan", "rxrate": 3, "txrate": 0}
    call |= {
        "onlinedeadline": 5,
        "maxonlinetime": 6,
        "when-tx-exists": True,
        "nock": True,
        "mcd-ignore": True,
    }
    call |= {"autotoss": True, "autotoss-doseen": True, "autotoss-gen-ack": True, "autotoss-noexec": True}
    found = online(
        tmp_path,
        {
            "addrs": {"lan": "[::1]:5400", "gone": None},
            "rxrate": 10,
            "txrate": -1,
            "onlinedeadline": 20,
            "maxonlinetime": 30,
            "calls": [call],
        },
    )
    assert found.addresses == {"lan": "[::1]:5400"}
    assert found.limits == Limits(10, 0, 20, 30)
    assert found.calls == (
        Call(
            parse_cron("@hourly"),
            96,
            "tx",
            "[::1]:5400",
            Limits(3, 0, 5, 6),
            is_tx_needed=True,
            is_nock=True,
            is_mcd_ignored=True,
            autotoss=AutoToss(is_seen_marked=True, is_ack_generated=True, left_alone=frozenset({"exec"})),
        ),
    )


def test_call_takes_rates_and_deadline_of_its_neighbour_but_not_the_longest_time(tmp_path: Path) -> None:
    limits = {"rxrate": 10, "txrate": 20, "onlinedeadline": 30, "maxonlinetime": 40}
    call = {"cron": "@daily", "addr": "host:5400", "autotoss-doseen": True}
    found = online(tmp_path, {**limits, "calls": [call]})
    assert found.calls == (Call(parse_cron("@daily"), address="host:5400", limits=Limits(10, 20, 30, 0)),)


def test_link_that_nobody_configured(tmp_path: Path) -> None:
    found = online(tmp_path, {"calls": [{"cron": "@daily"}]})
    assert found.link == found.calls[0].link == Link()


def test_every_key_of_a_link(tmp_path: Path) -> None:
    link: dict[str, object] = {"thin": True, "padding": "full", "ping-interval": 0, "handshake-deadline": 1}
    link |= {"stall-deadline": 2, "silence-deadline": 0, "max-bytes": 20_000, "Chunk": 65_232}
    assert online(tmp_path, {"link": link}).link == Link(True, "full", 0, 1, 2, 0, 20_000, 65_232)
    config = load(tmp_path, {"neigh.bob.link": {**link, "thinn": True}})
    assert config.warnings == (f"{tmp_path}/nncp.hjson: neigh.bob.link.thinn: unknown key",)


def test_thin_changes_only_what_is_not_said(tmp_path: Path) -> None:
    found = online(tmp_path, {"link": {"thin": True, "chunk": 512}})
    assert found.link == dataclasses.replace(THIN, chunk_bytes=512)
    assert found.limits.deadline_seconds == 120
    assert online(tmp_path, {"link": {"thin": True}, "onlinedeadline": 30}).limits.deadline_seconds == 30
    assert online(tmp_path, {"link": {"thin": False}}).link == Link()


def test_call_takes_the_link_of_its_neighbour_key_by_key(tmp_path: Path) -> None:
    calls = [
        {"cron": "@daily"},
        {"cron": "@daily", "link": {"padding": "go", "max-bytes": 5}},
        {"cron": "@daily", "link": {"thin": False}, "onlinedeadline": 7},
    ]
    found = online(tmp_path, {"link": {"thin": True, "chunk": 512}, "calls": calls})
    thin = dataclasses.replace(THIN, chunk_bytes=512)
    links = [call.link for call in found.calls]
    assert links == [thin, dataclasses.replace(thin, padding="go", budget_bytes=5), thin]
    assert [call.limits.deadline_seconds for call in found.calls] == [120, 120, 7]


def test_one_call_over_a_thin_link(tmp_path: Path) -> None:
    calls = [{"cron": "@daily"}, {"cron": "@daily", "link": {"thin": True}}]
    found = online(tmp_path, {"onlinedeadline": 20, "link": {"chunk": 600}, "calls": calls})
    assert found.link == found.calls[0].link == Link(chunk_bytes=600)
    assert found.calls[1].link == dataclasses.replace(THIN, chunk_bytes=600)
    assert [call.limits.deadline_seconds for call in found.calls] == [20, 120]


@pytest.mark.parametrize(
    ("link", "fault"),
    [
        ("thin", "link: a text, allowed: an object {...}"),
        ({"thin": "true"}, "link.thin: a text, allowed: true or false"),
        ({"padding": "some"}, "link.padding: allowed: none, go, full"),
        ({"padding": 0}, "link.padding: a number, allowed: a text, in quotes"),
        (
            {"ping-interval": -1},
            "link.ping-interval: a number, allowed: a whole number of seconds from 0, wi",
        ),
        ({"handshake-deadline": 0}, "link.handshake-deadline: a number, allowed: a whole number of seconds"),
        ({"stall-deadline": "9"}, "link.stall-deadline: a text, allowed: a whole number of seconds from 1"),
        ({"silence-deadline": 0.5}, "link.silence-deadline: a number, allowed: a whole number of seconds"),
        ({"max-bytes": 1 << 53}, "link.max-bytes: a number, allowed: a whole number of bytes from 0"),
        ({"chunk": 0}, "link.chunk: a number, allowed: a whole number of bytes from 1"),
        ({"chunk": 65_233}, "link.chunk: allowed: a whole number of bytes from 1 to 65232"),
    ],
)
def test_link_that_makes_no_sense_is_refused_by_file_and_key(
    tmp_path: Path, link: object, fault: str
) -> None:
    at_node: dict[str, object] = {"neigh.bob.link": link}
    at_call: dict[str, object] = {"neigh.bob.calls": [{"cron": "@daily", "link": link}]}
    for values, path in ((at_node, "neigh.bob."), (at_call, "neigh.bob.calls.0.")):
        with pytest.raises(ConfigError, match=re.escape(f"{tmp_path}/nncp.hjson: {path}{fault}")):
            load(tmp_path, values)


def test_deadline_of_the_environment_is_for_each_step_too(tmp_path: Path) -> None:
    link = online(tmp_path, {}, NNCPDEADLINE="40").link
    assert (link.handshake_seconds, link.stall_seconds) == (40, 40)
    thin = online(tmp_path, {"link": {"thin": True}}, NNCPDEADLINE="200").link
    assert (thin.handshake_seconds, thin.stall_seconds) == (300, 200)
    named = {"thin": True, "stall-deadline": 5}
    assert online(tmp_path, {"link": named}, NNCPDEADLINE="200").link.stall_seconds == 5


def test_discovery_and_aliases(tmp_path: Path) -> None:
    values: dict[str, object] = {"mcd-listen": ["eth.*"], "mcd-send": {"eth0": 5, "x": None}}
    config = load(tmp_path, {**values, "yggdrasil-aliases": {"a": "b"}})
    assert config.discovery == Discovery(("eth.*",), {"eth0": 5})
    assert config.yggdrasil_aliases == {"a": "b"}
    assert config.warnings == ()


@pytest.mark.parametrize(("text", "seconds"), [("", 10), ("25", 25), ("+7", 7)])
def test_deadline_of_the_environment(tmp_path: Path, text: str, seconds: int) -> None:
    assert online(tmp_path, {}, NNCPDEADLINE=text).limits.deadline_seconds == seconds
    found = online(tmp_path, {"onlinedeadline": 3}, NNCPDEADLINE=text)
    assert found.limits.deadline_seconds == 3


@pytest.mark.parametrize("text", ["x", "0", "-5", "1.5", " 5", "\u0665"])
def test_deadline_of_the_environment_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="NNCPDEADLINE of the environment: allowed: a whole number of sec"):
        load(tmp_path, {}, NNCPDEADLINE=text)
