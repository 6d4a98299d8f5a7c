"""The envelope of a message: what SMTP says beside the message itself.

Contract: addresses are without angle brackets and have been accepted by
``gateway.message.address``; fields are only ever added, each with a default, and callers name
them.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who a message is from, whom it is for, and how its bytes were declared.

    Args:
        sender: address that bounces go to; empty for the null sender.
        recipients: addresses, in the order they were given.
        is_8bit: the message was declared ``BODY=8BITMIME``.
        is_smtputf8: the message was declared ``SMTPUTF8``, or an address is not ASCII.

    Spec: RFC 5321 section 2.3.1; RFC 6152; RFC 6531 section 3.4.
    """

    sender: str
    recipients: tuple[str, ...]
    is_8bit: bool = False
    is_smtputf8: bool = False
