"""What all sessions of one SMTP endpoint share."""

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.batch.choices import FindChoices
from gateway.ingest.connection import SmtpConnection
from gateway.ingest.inflight import InFlight
from gateway.ingest.intake import Intake
from gateway.ingest.mail_command import LocalUser
from gateway.ingest.settings import SmtpSettings
from gateway.msgqueue.store import Queue
from gateway.routing.table import Table


@dataclass(slots=True)
class Services:
    """What the sessions of an endpoint share.

    Args:
        settings: of the endpoint.
        queue: asked for room.
        table: routes recipients.
        find_choices: the neighbours of a route.
        permits: whether a client may hand mail in, by its address.
        inflight: room for content in memory.
        intake: puts messages in the queue.
        sessions: those that live now.
        users: of this machine, by their number, that handed in mail before.
        is_stopping: no new session is served.
    """

    settings: SmtpSettings
    queue: Queue
    table: Table
    find_choices: FindChoices
    permits: Callable[[str], bool]
    inflight: InFlight
    intake: Intake
    sessions: set[SmtpConnection] = field(default_factory=set)
    users: dict[int, LocalUser] = field(default_factory=dict)
    is_stopping: bool = False
