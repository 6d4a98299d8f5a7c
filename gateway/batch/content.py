"""What is in the packet of a batch: handle, arguments and body, as the neighbour understands them."""

from collections.abc import Iterator, Mapping, Sequence

from gateway.batch.joining import JoinedMessage, ReadBody
from gateway.batch.rnews_body import article_in_batch
from gateway.errors import BadAddress, GatewayError, MessageError, StoreCorrupt
from gateway.message.address import is_option_like, shown
from gateway.message.bsmtp import BatchWriter
from gateway.message.lines import CRLF, LF
from gateway.message.sendmail import split_recipients, write_sendmail_body
from gateway.msgqueue.entry import Batch, Form, QueuedMessage

HANDLE_SENDMAIL = b"sendmail"
HANDLE_RSMTP = b"rsmtp"
HANDLE_RNEWS = b"rnews"

HANDLES: Mapping[Form, bytes] = {
    Form.SENDMAIL: HANDLE_SENDMAIL,
    Form.BSMTP: HANDLE_RSMTP,
    Form.GATEWAY: HANDLE_RSMTP,
    Form.RNEWS: HANDLE_RNEWS,
}


class Unsendable(Exception):
    """One message of a batch can't be written, and never will."""

    def __init__(self, message: QueuedMessage, error: GatewayError) -> None:
        super().__init__(str(error))
        self.message = message
        self.error = error


def count_fitting(recipients: Sequence[str]) -> int:
    """How many recipients the arguments of one ``sendmail`` packet hold; at least one.

    One that no packet can hold may be any of them: alone in its batch it is found and set aside.
    """
    try:
        groups = split_recipients(HANDLE_SENDMAIL, recipients)
    except MessageError:
        return 1
    return 1 if any(map(is_option_like, recipients)) else len(groups[0])


def arguments_of(batch: Batch, messages: Sequence[JoinedMessage]) -> tuple[bytes, ...]:
    """The arguments of the handle.

    Raises:
        Unsendable: a recipient can't be one.
    """
    if batch.form is Form.GATEWAY:
        # The field has room for 255 bytes, used or not.
        return (BatchWriter().announce(batch.id, len(messages)),)
    if batch.form is not Form.SENDMAIL:
        return ()
    (message,) = messages
    recipients = message.envelope.recipients
    try:
        split_recipients(HANDLE_SENDMAIL, recipients)
        for recipient in recipients:
            if is_option_like(recipient):
                # The far handler may be any sendmail without "--", which would obey it.
                raise BadAddress(f"recipient {shown(recipient)} looks like an option to the far sendmail")
    except MessageError as error:
        raise Unsendable(message.copies[0], error) from error
    return tuple(recipient.encode("utf-8") for recipient in recipients)


def body_of(batch: Batch, messages: Sequence[JoinedMessage], read_body: ReadBody) -> Iterator[bytes]:
    """The body of the packet.

    Args:
        batch: how it is written, and its id.
        messages: what is in it.
        read_body: reads a message of the queue by its place in it.

    Raises:
        Unsendable: a message can't be written.
    """
    is_ours = batch.form is Form.GATEWAY
    writer = BatchWriter(is_esmtp=is_ours, eol=LF if is_ours else CRLF)
    is_smtp = batch.form in {Form.GATEWAY, Form.BSMTP}
    if is_ours:
        writer.announce(batch.id, len(messages))
    elif is_smtp:
        yield writer.start(batch.id, len(messages))
    for message in messages:
        try:
            if is_smtp:
                yield from writer.message(message.envelope, message.content(read_body))
            elif batch.form is Form.SENDMAIL:
                yield from write_sendmail_body(message.envelope.sender, message.content(read_body))
            else:
                yield from article_in_batch(message.copies[0], read_body)
        except (MessageError, StoreCorrupt) as error:
            raise Unsendable(message.copies[0], error) from error
    if is_smtp:
        yield writer.end()
