"""An endpoint for submission, with users whose passwords are cheap to check."""

import base64
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gateway.durable import Disk
from gateway.ingest.certificates import CertificateFiles, Certificates
from gateway.ingest.door import Door
from gateway.ingest.guard import Guard
from gateway.ingest.passwords import Cost, Passwords, hash_password, write_passwords
from gateway.ingest.submission import speak_submission
from tests.support.certificates import make_certificate
from tests.support.endpoint import Client, Endpoint

CHEAP = Cost(log_n=4, r=8, p=1)
USERS = {"alice": "wonderland", "bob@b.test": "p\N{LATIN SMALL LETTER A WITH DIAERESIS}ssw\\or d\N{SNOWMAN}"}


def plain(name: str, password: str, acting_as: str = "") -> str:
    """The response of the mechanism PLAIN."""
    return base64_of(f"{acting_as}\0{name}\0{password}")


def base64_of(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def trusting(files: CertificateFiles) -> ssl.SSLContext:
    """What a client trusts that knows our certificate."""
    return ssl.create_default_context(cafile=str(files.certificate))


class SubmissionEndpoint(Endpoint):
    """The endpoint; a context manager.

    Args:
        directory: of the queue, the passwords and the certificate.
        is_tls: whether there is a certificate.
        guard: keeps away who guesses.
        door: more fields of ``Door``.
        settings: fields of ``SmtpSettings``.
    """

    def __init__(
        self,
        directory: Path,
        *,
        is_tls: bool = True,
        guard: Guard | None = None,
        door: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        directory.mkdir(exist_ok=True, parents=True)
        self.passwords_path = directory / "passwords"
        self.set_users(USERS)
        self.files = make_certificate(directory)
        certificates = Certificates(self.files) if is_tls else None
        self.executor = ThreadPoolExecutor(2)
        self.door = Door(
            passwords=Passwords(self.passwords_path),
            executor=self.executor,
            guard=guard or Guard(1000, 900),
            certificates=certificates,
            **{"failure_seconds": 0.0, "max_failures": 3, **(door or {})},
        )
        super().__init__(
            directory,
            speak=speak_submission(self.door),
            certificates=certificates,
            section="submission",
            **settings,
        )

    def __exit__(self, *exc: object) -> None:
        self.executor.shutdown()
        super().__exit__(*exc)

    def set_users(self, users: dict[str, str]) -> None:
        hashed = {name: hash_password(password, CHEAP) for name, password in users.items()}
        write_passwords(self.passwords_path, hashed, Disk(is_syncing=False))

    def secured(self, *, user: str | None = "alice") -> Client:
        """Connect, secure the connection with STARTTLS, and log in unless told otherwise."""
        client = self.client()
        assert client.command("STARTTLS")[0] == 220
        client.secure(trusting(self.files))
        assert client.command("EHLO client.test")[0] == 250
        if user is not None:
            assert client.command(f"AUTH PLAIN {plain(user, USERS[user])}")[0] == 235
        return client
