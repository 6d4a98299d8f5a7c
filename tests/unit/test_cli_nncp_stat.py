from pathlib import Path

import pytest

from gateway.cli.nncp.main import main
from gateway.durable import Disk
from gateway.spool.layout import Box
from gateway.spool.store import Spool
from tests.support.nncp_configs import KEYS, config_tree, write_config
from tests.support.spools import make_packet, new_packet_id

BOB = KEYS["bob"].id


def test_packets_are_counted_by_niceness(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spool = Spool(tmp_path / "spool", Disk())
    names = []
    for box, nice, size in ((Box.TX, 96, 0), (Box.TX, 96, 2048), (Box.RX, 255, 10)):
        data, packet = make_packet(nice, bytes(size)), new_packet_id()
        with spool.new_temporary() as temporary:
            temporary.write(data)
            names.append(spool.commit(temporary, BOB, box, packet, data[:172]).name)
    rx = spool.layout.box(BOB, Box.RX)
    (rx / f"{names[0]}.nock").write_bytes(make_packet(5))
    (rx / f"{names[1]}.part").write_bytes(b"abc")
    (rx / ("A" * 52)).write_bytes(b"garbage")
    path = write_config(tmp_path, config_tree(tmp_path))
    assert main(["stat", "-cfg", str(path)], {}) == 0
    out, err = capsys.readouterr()
    assert out == (
        "bob\n"
        "\tpart:        3 B,   1 pkts\n"
        "\tnice:F-27 | Rx:        0 B,   0 pkts | Tx:        0 B,   0 pkts | NoCK:      176 B,   1 pkts\n"
        "\tnice:   P | Rx:        0 B,   0 pkts | Tx:    2.3 KiB,   2 pkts\n"
        "\tnice: MAX | Rx:      182 B,   1 pkts | Tx:        0 B,   0 pkts\n"
        "carol\n"
        "self\n"
    )
    assert err == f"nncp-stat: left out: {rx / ('A' * 52)}: 7 bytes, a header has 172\n"
    assert main(["stat", "-cfg", str(path), "-pkt", "-node", "bob"], {}) == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed[:4] == [
        "bob",
        f"\trx {names[2]} 182 B (nice: MAX)",
        f"\trx {names[0]}.nock 176 B (nice: F-27)",
        f"\trx {names[1]}.part 3 B",
    ]
    assert sorted(listed[4:6]) == sorted(
        [f"\ttx {names[0]} 172 B (nice: P)", f"\ttx {names[1]} 2.2 KiB (nice: P)"]
    )


def test_many_packets_are_counted_in_the_columns_of_the_go_tools(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box = Spool(tmp_path / "spool", Disk()).layout.box(BOB, Box.TX)
    box.mkdir(parents=True)
    data = make_packet(96)
    for _ in range(100):
        (box / new_packet_id().text).write_bytes(data)
    assert main(["stat", "-cfg", str(write_config(tmp_path, config_tree(tmp_path)))], {}) == 0
    row = "\tnice:   P | Rx:        0 B,   0 pkts | Tx:     17 KiB,  100 pkts\n"
    assert row in capsys.readouterr().out


def test_one_node_by_name_or_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_config(tmp_path, config_tree(tmp_path))
    for name in ("bob", BOB.text):
        assert main(["stat", "-cfg", str(path), "-node", name], {}) == 0
        assert capsys.readouterr().out == "bob\n"


def test_unknown_node(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_config(tmp_path, config_tree(tmp_path))
    assert main(["stat", "-cfg", str(path), "-node", "nobody"], {}) == 1
    assert "nncp-stat: unknown node 'nobody'" in capsys.readouterr().err
