"""Where the recipients of a message from a local program go: all of them, or the message is refused."""

from collections.abc import Sequence

from gateway.batch.choices import FindChoices
from gateway.errors import GatewayError, MessageError
from gateway.ingest.intake import Recipient
from gateway.message.address import check_mailbox, shown
from gateway.msgqueue.entry import Role
from gateway.routing.table import LocalRoute, Refusal, Route, Table

TOO_MANY_STATUS = "5.5.3"

Recipients = dict[Role, list[Recipient]]


class RecipientRefused(MessageError):
    """The routes do not take mail for a recipient; the status is the route's."""


class Routes:
    """Finds where recipients go.

    Args:
        table: routes recipients.
        find_choices: the neighbours of a route.
        max_recipients: of one message.
    """

    def __init__(self, table: Table, find_choices: FindChoices, max_recipients: int) -> None:
        self._table = table
        self._find_choices = find_choices
        self._max_recipients = max_recipients

    def find(self, recipients: Sequence[str], node: str | None = None) -> Recipients:
        """The recipients of a message, by the role in which it is queued for them.

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
        found: Recipients = {Role.INBOX: [], Role.OUTBOX: []}
        refused: list[GatewayError] = []
        for recipient in everybody:
            try:
                routed = self._route(recipient, node)
                found[Role.INBOX if routed.choices is None else Role.OUTBOX].append(routed)
            except MessageError as error:
                refused.append(error)
        if refused:
            raise next((error for error in refused if error.is_temporary), refused[0])
        return found

    def _route(self, recipient: str, node: str | None) -> Recipient:
        check_mailbox(recipient, is_utf8_allowed=True)
        match self._table.route(recipient) if node is None else Route(node):
            case Route() as route:
                return Recipient(recipient, self._find_choices(route))
            case LocalRoute():
                return Recipient(recipient)
            case Refusal(status, text):
                raise RecipientRefused(f"{shown(recipient)}: {text}", status=status)
