"""The message a client is about to send, as far as MAIL and RCPT have told."""

from aiosmtpd.smtp import Envelope

from gateway.ingest.intake import Recipient, Submission
from gateway.ingest.parameters import MailParameters
from gateway.message.envelope import RecipientOptions

_NO_OPTIONS = RecipientOptions()


class Transaction(Envelope):
    """One transaction; ``mail_from`` is None before MAIL, and empty for the null sender."""

    def __init__(self) -> None:
        super().__init__()
        self.parameters = MailParameters()
        self.accepted_count = 0
        """RCPT commands that were answered with yes; one recipient may be named by several."""
        self._recipients: dict[str, Recipient] = {}
        self._options: dict[str, RecipientOptions] = {}

    @property
    def recipients(self) -> tuple[Recipient, ...]:
        """Those accepted so far, in the order they were given."""
        return tuple(self._recipients.values())

    @property
    def recipients_count(self) -> int:
        """How many were accepted so far."""
        return len(self._recipients)

    def join(self, address: str, options: RecipientOptions) -> bool:
        """Accept an address that was accepted before once more; returns whether it was.

        Domains have no case. What is asked for is joined.
        """
        known = self._recipients.get(_key(address))
        if known is None:
            return False
        self.accepted_count += 1
        self._options[known.address] = self._options[known.address].joined(options)
        return True

    def add(self, recipient: Recipient, options: RecipientOptions) -> None:
        """Accept a recipient."""
        self.accepted_count += 1
        self._recipients[_key(recipient.address)] = recipient
        self._options[recipient.address] = options

    def submission(self, *, client_ip: str, helo: str, protocol: str, is_8bit_found: bool) -> Submission:
        """The whole envelope, once the content is there.

        Args:
            client_ip: address of the client.
            helo: what the client called itself.
            protocol: how it came, for the Received field.
            is_8bit_found: the content has 8-bit bytes, declared or not.
        """
        return Submission(
            sender=self.mail_from or "",
            recipients=self.recipients,
            is_8bit=self.parameters.is_8bit or is_8bit_found,
            is_smtputf8=self.parameters.is_smtputf8,
            client_ip=client_ip,
            helo=helo,
            protocol=protocol,
            options=self.parameters.options,
            recipient_options={
                address: options for address, options in self._options.items() if options != _NO_OPTIONS
            },
        )


def _key(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"
