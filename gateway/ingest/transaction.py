"""The message a client is about to send, as far as MAIL and RCPT have told."""

from aiosmtpd.smtp import Envelope

from gateway.ingest.intake import Recipient, Submission
from gateway.ingest.parameters import MailParameters


class Transaction(Envelope):
    """One transaction; ``mail_from`` is None before MAIL, and empty for the null sender."""

    def __init__(self) -> None:
        super().__init__()
        self.parameters = MailParameters()
        self._recipients: dict[str, Recipient] = {}

    @property
    def recipients(self) -> tuple[Recipient, ...]:
        """Those accepted so far, in the order they were given."""
        return tuple(self._recipients.values())

    @property
    def recipients_count(self) -> int:
        """How many were accepted so far."""
        return len(self._recipients)

    def has(self, address: str) -> bool:
        """Whether an address was accepted already; domains have no case."""
        return _key(address) in self._recipients

    def add(self, recipient: Recipient) -> None:
        """Accept a recipient."""
        self._recipients[_key(recipient.address)] = recipient

    def submission(self, *, client_ip: str, helo: str, is_extended: bool, is_8bit_found: bool) -> Submission:
        """The whole envelope, once the content is there.

        Args:
            client_ip: address of the client.
            helo: what the client called itself.
            is_extended: it said EHLO.
            is_8bit_found: the content has 8-bit bytes, declared or not.
        """
        protocol = "ESMTP" if is_extended else "SMTP"
        return Submission(
            sender=self.mail_from or "",
            recipients=self.recipients,
            is_8bit=self.parameters.is_8bit or is_8bit_found,
            is_smtputf8=self.parameters.is_smtputf8,
            client_ip=client_ip,
            helo=helo,
            protocol="UTF8SMTP" if self.parameters.is_smtputf8 else protocol,
        )


def _key(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"
