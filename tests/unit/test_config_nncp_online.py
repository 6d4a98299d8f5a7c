from pathlib import Path

import pytest

from gateway.config.nncp import Discovery, NncpConfig, load_nncp_config
from gateway.errors import ConfigError
from gateway.schedule.call import AutoToss, Call, Limits, Online
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
