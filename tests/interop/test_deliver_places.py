"""One node that serves several domains, each delivered to another place."""

from pathlib import Path

from tests.support import maildir
from tests.support.gateways import GatewayNode, mail
from tests.support.postfix import PostfixInstance

ALICE, BOB, CARL, DORA = "alice@a.test", "bob@b.test", "carl@west.village.test", "dora@away.test"


def test_each_domain_reaches_its_place_and_none_waits_for_one_that_is_down(place: Path) -> None:
    """A message for three domains reaches a real Postfix and a Maildir, and waits for the third alone."""
    a = GatewayNode(place / "a", "a.test")
    with PostfixInstance(place / "pf", "mx.b.test", ["b.test"]) as postfix:
        b = GatewayNode(place / "b", "b.test", "--deliver", f"smtp:127.0.0.1:{postfix.port}")
        add_places(b)
        a.accept(b, "--domain", ".village.test", "--domain", "away.test")
        b.accept(a)
        a.send(ALICE, [BOB, CARL, DORA], mail(1, ALICE, BOB))
        with b.serving():
            a.carry_to(b, place / "stick")
            (in_postfix,) = postfix.wait_for_messages(1)
            (in_village,) = maildir.wait_for_messages(b.home / "west.village.test" / "carl", 1, 60)
    assert b"X-Original-To: carl@west.village.test\n" in in_village.read_bytes()
    assert b"Delivered-To: bob@b.test\n" in in_postfix.read_bytes()
    assert b.run("deliver", "--now", is_checked=False).out == "0 delivered, 1 deferred, 0 dead\n"
    (message,) = b.queue("--all")
    assert {one["recipient"]: (one["state"], one["status"]) for one in message["recipients"]} == {
        BOB: ("delivered", "2.0.0"),
        CARL: ("delivered", "2.0.0"),
        DORA: ("queued", "4.4.1"),
    }


def add_places(node: GatewayNode) -> None:
    toml = node.config_path.read_text()
    node.config_path.write_text(f"""{toml}
[[deliver.other]]
domains = [".village.test"]
to = "maildir"
path = "{{domain}}/{{local}}"

[[deliver.other]]
domains = ["away.test"]
to = "lmtp"
address = "127.0.0.1:1"
connections = 1
""")
