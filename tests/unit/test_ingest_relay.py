"""No way in relays for somebody who was not named: whoever the recipient is, and whatever else was said."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.routing.access import AccessList
from tests.support.endpoint import Client, Endpoint, LmtpEndpoint
from tests.support.submission import SubmissionEndpoint, plain

STRANGERS = AccessList.parse(["192.0.2.0/24", "2001:db8::/32"])
"""Networks that no client of a test is in."""

RECIPIENTS = [
    "bob@b.test",
    "eve@here.test",
    "postmaster",
    "never@b.test",
    "x@elsewhere.test",
    "x%b.test@elsewhere.test",
    '"x@b.test"@elsewhere.test',
    "@here.test:x@elsewhere.test",
    "b.test!x@elsewhere.test",
]

Open = Callable[[Path], Endpoint]
ENDPOINTS: dict[str, Open] = {
    "smtp": lambda place: Endpoint(place, relay_from=STRANGERS, max_errors=1000),
    "smtp for nobody": lambda place: Endpoint(place, relay_from=AccessList(()), max_errors=1000),
    "lmtp": lambda place: LmtpEndpoint(place, relay_from=STRANGERS, max_errors=1000),
    "submission": lambda place: SubmissionEndpoint(place, relay_from=AccessList(), max_errors=1000),
    "submission in clear": lambda place: SubmissionEndpoint(
        place, door={"is_cleartext_local": True}, max_errors=1000
    ),
}


@pytest.fixture(params=ENDPOINTS)
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Client]:
    """Somebody who may not hand mail in, greeted as the endpoint wants it."""
    with ExitStack() as stack:
        endpoint = stack.enter_context(ENDPOINTS[request.param](tmp_path))
        if request.param == "submission":
            assert isinstance(endpoint, SubmissionEndpoint)
            yield stack.enter_context(endpoint.secured(user=None))
        else:
            yield stack.enter_context(endpoint.client())
        assert endpoint.kept() == []
        assert endpoint.server.inflight_bytes == 0


def test_every_recipient_is_refused(client: Client) -> None:
    for number, recipient in enumerate(RECIPIENTS):
        mail, _ = client.command(f"MAIL FROM:<{'alice@here.test' if number % 2 else ''}> SIZE=1000000")
        rcpt, _ = client.command(f"RCPT TO:<{recipient}>")
        data, _ = client.command("DATA")
        assert (mail, rcpt) in {(250, 550), (530, 503)}
        assert data in {503, 554}
        assert client.command("RSET")[0] == 250


def test_a_wrong_password_opens_nothing(tmp_path: Path) -> None:
    with SubmissionEndpoint(tmp_path, relay_from=AccessList()) as endpoint:
        with endpoint.secured(user=None) as client:
            assert client.command(f"AUTH PLAIN {plain('alice', 'looking-glass')}")[0] == 535
            assert client.command("MAIL FROM:<alice@a.test>")[0] == 530
            assert client.command("RCPT TO:<bob@b.test>")[0] == 503
        assert endpoint.kept() == []


def test_a_user_reaches_what_the_routes_lead_to_and_no_more(tmp_path: Path) -> None:
    with SubmissionEndpoint(tmp_path) as endpoint, endpoint.secured() as client:
        assert client.command("MAIL FROM:<alice@a.test>")[0] == 250
        codes = [client.command(f"RCPT TO:<{recipient}>")[0] for recipient in RECIPIENTS]
    assert codes == [250, 250, 250, 550, 550, 550, 550, 550, 550]
