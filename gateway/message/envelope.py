"""The envelope of a message: what SMTP says beside the message itself.

Contract: addresses are without angle brackets and have been accepted by
``gateway.message.address``, options by ``gateway.message.esmtp``; fields are only ever added, each
with a default, and callers name them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Return(StrEnum):
    """How much of the message comes back with a report of a failure; RFC 3461 section 4.3."""

    FULL = "FULL"
    HEADERS = "HDRS"


class Notify(StrEnum):
    """When the sender wants a report about a recipient; RFC 3461 section 4.1."""

    NEVER = "NEVER"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    DELAY = "DELAY"


class LateAction(StrEnum):
    """What is to be done with a message that was not delivered in time; RFC 2852 section 4."""

    RETURN = "R"
    NOTIFY = "N"


@dataclass(frozen=True, slots=True)
class DeliverBy:
    """How soon a message is to be delivered.

    Args:
        seconds: that are left, from when this value was made; negative: passed, but not with RETURN.
        action: what is to be done then.
        is_traced: the sender wants a report from every hop.
    """

    seconds: float
    action: LateAction
    is_traced: bool = False


@dataclass(frozen=True, slots=True)
class MailOptions:
    """What the sender asked for the whole message.

    Args:
        envid: the sender's name for it, in xtext as it came, or None. ``gateway.message.esmtp`` decodes it.
        ret: what comes back with a failure, or None: as we like.
        priority: of MT-PRIORITY, -9 to 9 (most urgent), or None: not said, which means 0.
        deliver_by: or None: no hurry.

    Spec: RFC 3461 section 4; RFC 6710 section 4; RFC 2852 section 4.
    """

    envid: str | None = None
    ret: Return | None = None
    priority: int | None = None
    deliver_by: DeliverBy | None = None


@dataclass(frozen=True, slots=True)
class RecipientOptions:
    """What the sender asked for one recipient.

    Args:
        notify: when to report; empty: not said. NEVER stands alone.
        orcpt: ``TYPE;address`` that the sender knows the recipient by, in xtext as it came, or None.

    Spec: RFC 3461 sections 4.1 and 4.2.
    """

    notify: frozenset[Notify] = frozenset()
    orcpt: str | None = None

    def is_wanted(self, event: Notify) -> bool:
        """Whether a report of SUCCESS, FAILURE or DELAY may be made; who said nothing hears no success."""
        return event in (self.notify or _UNSAID)

    def joined(self, other: "RecipientOptions") -> "RecipientOptions":
        """The options of a recipient that was named twice: whatever either asked for."""
        orcpt = self.orcpt if self.orcpt is not None else other.orcpt
        if not self.notify and not other.notify:
            return RecipientOptions(orcpt=orcpt)
        told = (self.notify or _UNSAID) | (other.notify or _UNSAID)
        return RecipientOptions(told - {Notify.NEVER} or told, orcpt)


_UNSAID = frozenset({Notify.FAILURE, Notify.DELAY})
_NO_MAIL_OPTIONS = MailOptions()
_NO_RECIPIENT_OPTIONS = RecipientOptions()


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who a message is from, whom it is for, and how its bytes were declared.

    Args:
        sender: address that bounces go to; empty for the null sender.
        recipients: addresses, in the order they were given.
        is_8bit: the message was declared ``BODY=8BITMIME``.
        is_smtputf8: the message was declared ``SMTPUTF8``, or an address is not ASCII.
        options: what the sender asked for the message.
        recipient_options: what the sender asked for single recipients, by address; others are left out.

    Spec: RFC 5321 section 2.3.1; RFC 6152; RFC 6531 section 3.4.
    """

    sender: str
    recipients: tuple[str, ...]
    is_8bit: bool = False
    is_smtputf8: bool = False
    options: MailOptions = _NO_MAIL_OPTIONS
    recipient_options: Mapping[str, RecipientOptions] = field(default_factory=dict, hash=False)

    def options_of(self, recipient: str) -> RecipientOptions:
        """What the sender asked for a recipient."""
        return self.recipient_options.get(recipient, _NO_RECIPIENT_OPTIONS)
