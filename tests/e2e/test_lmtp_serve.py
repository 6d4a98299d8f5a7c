"""The daemon takes mail by LMTP as its configuration says."""

import stat
from pathlib import Path

from tests.support.endpoint import Client, stuffed
from tests.support.gateways import GatewayNode

MESSAGE = b"Subject: x\r\n\r\nhello\r\n"


def test_a_message_for_two_domains_by_a_socket(place: Path) -> None:
    """What comes through the socket is answered for each recipient, delivered here and sent on."""
    node, other = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    node.accept(other)
    node.set_toml("lmtp", f'socket = "{place}/lmtp"\n')
    with node.serving():
        path = place / "lmtp"
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with Client(path) as client:
            assert client.answer()[0] == 220
            assert client.command("LHLO client.test")[0] == 250
            client.begin("alice@a.test", "bob@b.test", "carl@a.test")
            client.send(stuffed(MESSAGE))
            assert client.answers(2) == [250, 250]
        (mail,) = node.wait_for_mails(1)
        node.run("flush")
        node.wait_for_states(["delivered", "sent"])
    assert not path.exists()
    assert b"with LMTP id" in mail
    assert f"LMTP on {path}" in node.log_text()
