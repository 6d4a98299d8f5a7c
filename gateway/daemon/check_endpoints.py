"""Whether the endpoints have what they need: certificates that work, secrets that are kept."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from gateway.durable import store_errors
from gateway.errors import GatewayError
from gateway.ingest.certificates import ALLOWED, CertificateFiles, load_context
from gateway.ingest.nntp_settings import NntpSettings
from gateway.ingest.passwords import read_passwords
from gateway.ingest.settings import SmtpSettings
from gateway.ingest.submission_settings import SubmissionSettings
from gateway.status.permissions import Finding, check_directory, check_secret

WARNING_DAYS = 7


def check_lmtp(settings: SmtpSettings | None) -> list[Finding]:
    """What is not as it should be with the endpoint for LMTP: where its socket is to be made.

    Args:
        settings: of the endpoint, or None: there is none.
    """
    if settings is None or settings.unix is None:
        return []
    return list(check_directory(settings.unix.path.parent, "for lmtp.socket"))


def check_submission(
    settings: SubmissionSettings | None, wall: Callable[[], float] = time.time
) -> list[Finding]:
    """What is not as it should be with the endpoint for users.

    Args:
        settings: of the endpoint, or None: there is none.
        wall: seconds since 1970.

    Raises:
        StoreError: something can't be looked at.
    """
    if settings is None:
        return []
    findings = [*_check_passwords(settings.passwords, "passwd", "submit mail")]
    if settings.certificate is not None:
        findings += _check_certificate(settings.certificate, datetime.fromtimestamp(wall(), UTC))
    return findings


def check_nntp(settings: NntpSettings | None, wall: Callable[[], float] = time.time) -> list[Finding]:
    """What is not as it should be with the endpoint for news.

    Args:
        settings: of the endpoint, or None: there is none.
        wall: seconds since 1970.

    Raises:
        StoreError: something can't be looked at.
    """
    if settings is None:
        return []
    findings: list[Finding] = []
    if settings.places.unix is not None:
        findings += check_directory(settings.places.unix.path.parent, "for nntp.socket")
    if settings.passwords.exists():
        findings += _check_passwords(settings.passwords, "passwd --news", "log in for news")
    if settings.certificate is not None:
        findings += _check_certificate(settings.certificate, datetime.fromtimestamp(wall(), UTC))
    return findings


def _check_passwords(path: Path, command: str, purpose: str) -> Iterator[Finding]:
    try:
        users = read_passwords(path)
    except GatewayError as error:
        yield Finding(str(error), f"make {path} anew with nncp-gateway {command}", is_fatal=True)
        return
    if users:
        with store_errors(path, "look at"):
            yield from check_secret(path, "hashes of passwords")
    else:
        yield Finding(
            f"{path} names no user, so nobody can {purpose}", f"nncp-gateway {command} USER", is_fatal=False
        )


def _check_certificate(files: CertificateFiles, now: datetime) -> Iterator[Finding]:
    try:
        load_context(files)
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    except (GatewayError, ValueError) as error:
        yield Finding(str(error).partition("; allowed")[0], f"put {ALLOWED} there", is_fatal=True)
        return
    with store_errors(files.key, "look at"):
        yield from check_secret(files.key)
    end = certificate.not_valid_after_utc
    if now + timedelta(days=WARNING_DAYS) > end:
        yield Finding(
            f"{files.certificate} is valid until {end:%Y-%m-%d %H:%M} UTC", "renew it", is_fatal=False
        )
    if now < certificate.not_valid_before_utc:
        begin = certificate.not_valid_before_utc
        text = f"{files.certificate} is valid from {begin:%Y-%m-%d %H:%M} UTC on"
        yield Finding(text, "set the clock of this machine", is_fatal=False)
