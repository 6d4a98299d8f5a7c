"""What the endpoint for submission is told beside the settings of every endpoint."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.errors import ConfigError
from gateway.ingest.certificates import CertificateFiles
from gateway.ingest.settings import SmtpSettings
from gateway.routing.table import Table

Senders = Mapping[str, Table]
"""By user: the addresses they may send as are local in the table. Who is missing may send as anybody."""


@dataclass(frozen=True, slots=True)
class SubmissionSettings:
    """Settings of the endpoint.

    Args:
        endpoint: where it listens, and its limits.
        passwords: the file of users.
        certificate: for TLS, or None: there is none.
        is_cleartext_local: a password may come in clear from this machine.
        senders: whom users may send as.
        max_failures: passwords that are wrong until the connection is closed.
        failure_seconds: how long the first wrong one is made to wait; each further one twice as long.
        bar_failures: wrong passwords of one client after which it is not listened to.
        bar_seconds: for how long, and how long a wrong password counts.

    Raises:
        ConfigError: nobody could ever log in.
    """

    endpoint: SmtpSettings
    passwords: Path
    certificate: CertificateFiles | None = None
    is_cleartext_local: bool = False
    senders: Senders = field(default_factory=dict)
    max_failures: int = 3
    failure_seconds: float = 2.0
    bar_failures: int = 20
    bar_seconds: float = 900.0

    def __post_init__(self) -> None:
        if self.certificate is not None:
            return
        if self.endpoint.listen_tls:
            raise ConfigError("submission.listen_tls needs a certificate; allowed: certificate = the path")
        if not self.is_cleartext_local:
            allowed = "certificate = the path, or cleartext_on_loopback = true"
            raise ConfigError(f"submission has no certificate, so nobody could log in; allowed: {allowed}")
