"""What all connections of the news endpoint share."""

from collections import Counter
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.ingest.door import Door
from gateway.ingest.inflight import InFlight
from gateway.ingest.nntp_access import Admittance
from gateway.ingest.nntp_intake import ArticleIntake
from gateway.ingest.nntp_offers import Offers
from gateway.ingest.nntp_posting import Posting
from gateway.ingest.nntp_reading import ReadingRoom
from gateway.ingest.nntp_settings import NntpSettings
from gateway.newsdesk.desk import NewsDesk

if TYPE_CHECKING:
    from gateway.ingest.nntp_connection import NntpConnection


@dataclass(slots=True)
class NntpServices:
    """What the connections share.

    Args:
        settings: of the endpoint.
        desk: judges articles.
        intake: puts them in the queue.
        offers: which are on their way.
        posting: takes what is posted.
        reading: answers readers, or None: nothing is kept.
        door: who is let in by a password; it knows the certificates.
        admittance: who may do what.
        executor: does what blocks.
        inflight: room for articles in memory.
        connections: those that live now.
        peers: how many connections each peer has, by its name.
        is_stopping: nobody is served any more.
    """

    settings: NntpSettings
    desk: NewsDesk
    intake: ArticleIntake
    offers: Offers
    posting: Posting
    reading: ReadingRoom | None
    door: Door
    admittance: Admittance
    executor: Executor
    inflight: InFlight
    connections: "set[NntpConnection]" = field(default_factory=set)
    peers: Counter[str] = field(default_factory=Counter)
    is_stopping: bool = False
