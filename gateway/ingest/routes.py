"""Where the recipients of a message from a local program go: all of them, or the message is refused."""

from collections.abc import Callable, Sequence

from gateway.errors import GatewayError, MessageError
from gateway.ids import NodeId
from gateway.message.address import check_mailbox, shown
from gateway.msgqueue.entry import Lane, Role, Target
from gateway.routing.table import LocalRoute, Refusal, Route, Table

TOO_MANY_STATUS = "5.5.3"

Targets = dict[Role, list[Target]]


class RecipientRefused(MessageError):
    """The routes do not take mail for a recipient; the status is the route's."""


class Routes:
    """Finds targets.

    Args:
        table: routes recipients.
        find_lane: destination and niceness by a node's name; raises ``GatewayError``.
        max_recipients: of one message.
    """

    def __init__(self, table: Table, find_lane: Callable[[str], Lane], max_recipients: int) -> None:
        self._table = table
        self._find_lane = find_lane
        self._max_recipients = max_recipients
        self._names: dict[NodeId, str] = {}

    def find(self, recipients: Sequence[str], node: str | None = None) -> Targets:
        """The targets of a message, by the role in which it is queued for them.

        A program can be told one thing only of all recipients. If one is refused for good and another
        for now, it is told to come again: then the first decides.

        Args:
            recipients: one that is named twice counts once.
            node: where all of them go, whatever the table says; None: as the table says.

        Raises:
            BadAddress: a recipient is no address.
            RecipientRefused: no route for a recipient; nobody gets the message.
            MessageError: there are too many.
            UnknownNode: there is no such node.
        """
        everybody = list(dict.fromkeys(recipients))
        if len(everybody) > self._max_recipients:
            text = f"{len(everybody)} recipients, {self._max_recipients} are allowed"
            raise MessageError(text, status=TOO_MANY_STATUS)
        found: Targets = {Role.INBOX: [], Role.OUTBOX: []}
        refused: list[GatewayError] = []
        for recipient in everybody:
            try:
                role, target = self._target(recipient, node)
                found[role].append(target)
            except MessageError as error:
                refused.append(error)
        if refused:
            raise next((error for error in refused if error.is_temporary), refused[0])
        return found

    def name_of(self, target: Target) -> str | None:
        """The name of the node that a target found here goes to, or None: it is delivered here."""
        return None if target.node is None else self._names[target.node]

    def _target(self, recipient: str, node: str | None) -> tuple[Role, Target]:
        check_mailbox(recipient, is_utf8_allowed=True)
        match self._table.route(recipient) if node is None else Route(node):
            case Route(name):
                lane = self._find_lane(name)
                self._names[lane.node] = name
                return Role.OUTBOX, Target(recipient, lane.node, lane.nice)
            case LocalRoute():
                return Role.INBOX, Target(recipient)
            case Refusal(status, text):
                raise RecipientRefused(f"{shown(recipient)}: {text}", status=status)
