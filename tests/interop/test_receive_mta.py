"""What a neighbour sends can't use the mail server behind us as a way to others."""

import smtplib
from pathlib import Path

from tests.support.gateways import GatewayNode, mail, pair
from tests.support.peers import require_root
from tests.support.postfix import PostfixInstance

ALICE = "alice@a.test"
HIDDEN = "eve%far.test@b.test"


def test_an_address_within_an_address_does_not_get_through_to_a_postfix_that_would_follow_it(
    place: Path,
) -> None:
    """Postfix takes the local part for a way to far.test, from us; so it never sees it."""
    require_root()
    postfix = PostfixInstance(place / "postfix", "mx.b.test", ["virtual.test"])
    postfix.set("mydestination = b.test")
    with postfix:
        with smtplib.SMTP("127.0.0.1", postfix.port, timeout=60) as client:
            client.ehlo("mail.b.test")
            client.mail(ALICE)
            assert client.rcpt("eve@b.test")[0] == 250
            assert b"no route" in client.rcpt(HIDDEN)[1]
        a = GatewayNode(place / "a", "a.test")
        b = GatewayNode(place / "b", "b.test", "--deliver", f"smtp:127.0.0.1:{postfix.port}")
        pair(a, b)
        a.send(ALICE, [HIDDEN], mail(1, ALICE, HIDDEN))
        a.carry_to(b, place / "stick")
        b.run("toss")
        b.run("deliver")
    ((dead,),) = [message["recipients"] for message in b.queue("--inbox")]
    assert (dead["state"], dead["status"], dead["attempts"]) == ("dead", "5.7.1", 0)
