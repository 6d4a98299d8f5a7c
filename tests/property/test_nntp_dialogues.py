"""However NNTP is cut, it means the same; each article that is offered has one outcome."""

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.errors import GatewayError
from gateway.nntp.events import ArticleReceived, DialogueLimits, Wanted
from gateway.nntp.feeder import (
    ArticleWanted,
    FeedClosed,
    FeedDialogue,
    FeedEvent,
    FeedOutcome,
    FeedResult,
    FeedSettings,
)
from gateway.nntp.server import ServerDialogue, ServerSettings
from tests.support.nntp_driver import ALL, serve, settle, stored, wanted

LIMITS = DialogueLimits(article_bytes=40, command_bytes=64, unanswered_count=3, error_count=5)
SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=6)
COMMANDS = st.sampled_from(
    [
        *(
            b"CHECK <1@a>\r\n",
            b"check <22@a>\r\n",
            b"TAKETHIS <1@a>\r\n",
            b"TAKETHIS x\r\n",
            b"IHAVE <1@a>\r\n",
        ),
        *(
            b"ihave <333@a>\r\n",
            b"POST\r\n",
            b"GROUP a\r\n",
            b"GROUP ab\r\n",
            b"LISTGROUP\r\n",
            b"OVER 1-2\r\n",
        ),
        *(
            b"ARTICLE\r\n",
            b"BODY 2\r\n",
            b"STAT <1@a>\r\n",
            b"NEXT\r\n",
            b"LAST\r\n",
            b"DATE\r\n",
            b"HELP\r\n",
        ),
        *(b"AUTHINFO USER a\r\n", b"AUTHINFO PASS a\r\n", b"AUTHINFO SASL PLAIN\r\n", b"AGEAYQ==\r\n"),
        *(
            b"LIST\r\n",
            b"HDR Subject 1-\r\n",
            b"CAPABILITIES\n",
            b"MODE READER\r\n",
            b"QUIT\r\n",
            b"STARTTLS\r\n",
        ),
    ]
)
PIECES = COMMANDS | st.sampled_from(
    [b"\r\n", b".", b"\r\n.\r\n", b".\r\n", b"..", b"\n", b"\r", b"\0", b"\xff", b"x" * 70, b"y" * 13_000]
)
WILD = st.lists(PIECES, max_size=25).map(b"".join)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces: list[bytes] = []
    at = 0
    while at < len(data):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(data[at : at + size])
        at += size
    return pieces


@given(WILD, SIZES)
@example(b"TAKETHIS <1@a>\n.\r\n", [1])
@example(b"TAKETHIS " + b"x" * 13_000 + b"\r\n.\r\n", [7])
def test_client_is_understood_the_same_however_its_bytes_are_cut(wire: bytes, sizes: list[int]) -> None:
    assert serve([wire], LIMITS) == serve(cut(wire, sizes), LIMITS)


ARTICLES = st.dictionaries(
    st.integers(0, 10_000).map(lambda number: f"<{'x' * (number % 3)}{number}@a>"),
    st.lists(st.sampled_from([b"\r\n", b".", b"a", b"\r\n.", b"\xff"]), max_size=12).map(b"".join),
    max_size=12,
)


class Feed:
    """One client of ours at work."""

    def __init__(self, articles: dict[str, bytes], settings: FeedSettings) -> None:
        self.articles = articles
        self.dialogue = FeedDialogue(settings)
        self.left = list(articles)
        self.outcomes: dict[str, FeedResult] = {}

    def take(self, events: list[FeedEvent]) -> None:
        for event in events:
            if isinstance(event, ArticleWanted):
                self.dialogue.send_article(event.message_id, self.articles[event.message_id])
            elif isinstance(event, FeedOutcome):
                assert event.message_id not in self.outcomes
                self.outcomes[event.message_id] = event.result
        while self.left and self.dialogue.room_count:
            self.take(self.dialogue.offer(self.left.pop()))


def expected(message_id: str, article: bytes, *, is_asked: bool) -> FeedResult:
    said = wanted(message_id) if is_asked else Wanted.YES
    if said is not Wanted.YES:
        return FeedResult.DUPLICATE if said is Wanted.NO else FeedResult.LATER
    whole = article if article.endswith(b"\r\n") else article + b"\r\n"
    return FeedResult.ACCEPTED if stored(whole).value == "yes" else FeedResult.REJECTED


@given(ARTICLES, SIZES, SIZES, st.integers(1, 5), st.booleans(), st.booleans())
def test_our_client_and_our_server_understand_one_another(
    articles: dict[str, bytes],
    to_server: list[int],
    to_client: list[int],
    window: int,
    is_streaming: bool,  # noqa: FBT001 - drawn
    is_unasked: bool,  # noqa: FBT001 - drawn
) -> None:
    feed = Feed(articles, FeedSettings(window, is_streaming_wanted=is_streaming, is_check_skipped=is_unasked))
    server = ServerDialogue(ServerSettings("us.test"), ALL)
    server.greet()
    received: dict[str, bytes] = {}
    for _ in range(200):
        for piece in cut(server.data_to_send(), to_client):
            feed.take(feed.dialogue.receive_data(piece))
        for piece in cut(feed.dialogue.data_to_send(), to_server):
            for event in settle(server, piece):
                if isinstance(event, ArticleReceived):
                    received[event.message_id] = event.data
    is_asked = not (is_streaming and is_unasked)
    assert feed.outcomes == {
        message_id: expected(message_id, article, is_asked=is_asked)
        for message_id, article in articles.items()
    }
    for message_id, data in received.items():
        assert data.removesuffix(b"\r\n") == articles[message_id].removesuffix(b"\r\n")


REPLIES = st.sampled_from(
    [
        *(b"238 <1@a>\r\n", b"238 <2@a> x\r\n", b"438 <1@a>\r\n", b"431 <2@a>\r\n", b"239 <1@a>\r\n"),
        *(b"439 <2@a> x\r\n", b"400 later\r\n", b"480 who\r\n", b"203 go\r\n", b"200 hi\r\n", b"500 what\n"),
        *(b"223 0 <1@a>\r\n", b"430 no\r\n", b"439 <1@a>\r\n"),
        *(b"335 go\r\n", b"235 ok\r\n", b"436 later\r\n", b"\r\n", b"x", b"\xff", b"9" * 5000, b"2", b" "),
    ]
)


def fed(pieces: list[bytes]) -> list[FeedEvent]:
    dialogue = FeedDialogue()
    seen: list[FeedEvent] = []
    left = ["<1@a>", "<2@a>"]
    for piece in pieces:
        events = dialogue.receive_data(piece)
        for event in events:
            seen.append(event)
            if isinstance(event, ArticleWanted) and not dialogue.is_closing:
                dialogue.send_article(event.message_id, b"x\r\n")
        while left and dialogue.room_count:
            assert dialogue.offer(left.pop(0)) == []
    assert dialogue.open_count == 2 - len(left) - sum(isinstance(event, FeedOutcome) for event in seen)
    seen += dialogue.connection_lost("end")
    return seen


@given(st.booleans(), st.lists(REPLIES, max_size=15).map(b"".join), SIZES)
def test_each_offer_has_one_outcome_whatever_the_peer_says(
    is_greeted: bool,  # noqa: FBT001 - drawn
    wire: bytes,
    sizes: list[int],
) -> None:
    greeting = b"200 hi\r\n203 go\r\n" if is_greeted else b""
    try:
        events = fed([greeting, *cut(wire, sizes)])
    except GatewayError as error:
        raise AssertionError(error) from None
    outcomes = [event.message_id for event in events if isinstance(event, FeedOutcome)]
    assert len(outcomes) == len(set(outcomes))
    assert sum(isinstance(event, FeedClosed) for event in events) == 1
    if is_greeted:
        assert sorted(outcomes) == ["<1@a>", "<2@a>"]
