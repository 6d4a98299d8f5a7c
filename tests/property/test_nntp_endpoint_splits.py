"""What clients send may be cut anywhere on its way: the endpoint answers the same, and takes the same."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.endpoint import stuffed
from tests.support.news import article
from tests.support.newsroom import crlf
from tests.support.nntp_endpoint import NntpEndpoint, takethis

NUMBERS = itertools.count()
PROTO = b"From: a@a.test\r\nNewsgroups: misc.test\r\nSubject: s\r\n\r\n.x\r\n"
CODES = [203, 238, 239, 439, 439, 335, 235, 435, 111, 340, 240, 500, 205]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NntpEndpoint]:
    with NntpEndpoint(tmp_path_factory.mktemp("splits"), is_reader_on=True) as opened:
        yield opened


def conversation(number: int) -> bytes:
    """Commands and articles; the answers to them are those of ``CODES``."""
    first, second = f"{number}.1", f"{number}.2"
    return b"".join(
        (
            f"MODE STREAM\r\ncheck <{first}@a.test>\r\n".encode(),
            takethis(first, crlf(article(first, ".\n..\n.x\n"))),
            takethis(first),
            takethis("other", crlf(article(second))),
            f"IHAVE <{second}@a.test>\r\n".encode() + stuffed(crlf(article(second))),
            f"IHAVE <{second}@a.test>\r\nDATE\r\nPOST\r\n".encode() + stuffed(PROTO),
            b"NONSENSE\r\nQUIT\r\n",
        )
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 1500), max_size=12))
def test_cuts_change_nothing(endpoint: NntpEndpoint, cuts: list[int]) -> None:
    whole = conversation(next(NUMBERS))
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    before_count = len(endpoint.message_ids())
    with endpoint.client() as client:
        for start, end in itertools.pairwise(places):
            client.send(whole[start:end])
        assert client.answers(len(CODES)) == CODES
        assert client.is_closed()
    assert len(endpoint.message_ids()) == before_count + 3
