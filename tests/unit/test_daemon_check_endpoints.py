"""What is wrong with certificates and passwords is said before the daemon starts."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.daemon.check_endpoints import check_lmtp, check_nntp, check_submission
from gateway.durable import Disk
from gateway.ingest.certificates import CertificateFiles
from gateway.ingest.listeners import Places
from gateway.ingest.nntp_settings import NntpSettings
from gateway.ingest.passwords import hash_password, write_passwords
from gateway.ingest.settings import SmtpSettings
from gateway.ingest.submission_settings import SubmissionSettings
from gateway.ingest.unix_socket import UnixSocket
from tests.support.certificates import make_certificate
from tests.support.submission import CHEAP

DAY_SECONDS = 86_400


def settings(directory: Path, certificate: CertificateFiles | None = None) -> SubmissionSettings:
    passwords = directory / "passwords"
    if not passwords.exists():
        write_passwords(passwords, {"alice": hash_password("wonderland", CHEAP)}, Disk(is_syncing=False))
    endpoint = SmtpSettings("gw.a.test", section="submission")
    return SubmissionSettings(
        endpoint, passwords, certificate or make_certificate(directory), is_cleartext_local=True
    )


def test_nothing_is_said_when_all_is_well(tmp_path: Path) -> None:
    assert check_submission(None) == []
    assert check_submission(settings(tmp_path)) == []


def test_a_socket_needs_a_directory_that_is_there(tmp_path: Path) -> None:
    wanted = SmtpSettings("gw.a.test", section="lmtp", listen=(), unix=UnixSocket(tmp_path / "lmtp"))
    assert check_lmtp(wanted) == check_lmtp(None) == []
    (finding,) = check_lmtp(replace(wanted, unix=UnixSocket(tmp_path / "missing" / "lmtp")))
    assert finding.is_fatal
    assert "missing (for lmtp.socket) is missing; remedy: install -d" in str(finding)


def test_nobody_to_log_in_is_a_warning(tmp_path: Path) -> None:
    wanted = settings(tmp_path)
    wanted.passwords.unlink()
    (finding,) = check_submission(wanted)
    assert not finding.is_fatal
    assert "nncp-gateway passwd USER" in str(finding)


@pytest.mark.parametrize("name", ["passwords", "tls.key"])
def test_a_secret_that_everybody_may_read_is_fatal(tmp_path: Path, name: str) -> None:
    wanted = settings(tmp_path)
    (tmp_path / name).chmod(0o644)
    (finding,) = check_submission(wanted)
    assert finding.is_fatal
    assert f"chmod o-rwx {tmp_path / name}" in str(finding)


def test_a_file_that_is_broken_is_fatal(tmp_path: Path) -> None:
    wanted = settings(tmp_path)
    (tmp_path / "passwords").write_text("alice:wonderland\n")
    (tmp_path / "tls.crt").write_text("nothing\n")
    findings = check_submission(wanted)
    assert [finding.is_fatal for finding in findings] == [True, True]
    assert "wonderland" not in "".join(map(str, findings))


@pytest.mark.parametrize(
    ("days_from_now", "named"),
    [(-5, "set the clock"), (25, "renew it"), (40, "renew it")],
)
def test_a_certificate_that_is_not_valid_is_a_warning(
    tmp_path: Path, days_from_now: float, named: str
) -> None:
    (finding,) = check_submission(settings(tmp_path), wall=lambda: time.time() + days_from_now * DAY_SECONDS)
    assert not finding.is_fatal
    assert named in str(finding)


def test_the_endpoint_for_news_has_what_it_needs(tmp_path: Path) -> None:
    """Without passwords it is well too: its peers are known by their addresses."""
    places = Places("nntp", unix=UnixSocket(tmp_path / "nntp"))
    wanted = NntpSettings("gw.a.test", places, tmp_path / "passwords", make_certificate(tmp_path))
    assert check_nntp(wanted) == check_nntp(None) == []
    (tmp_path / "tls.key").chmod(0o644)
    elsewhere = replace(wanted, places=replace(places, unix=UnixSocket(tmp_path / "missing" / "nntp")))
    found = [str(finding) for finding in check_nntp(elsewhere) if finding.is_fatal]
    assert len(found) == 2
    assert "missing (for nntp.socket) is missing" in found[0]
    assert f"chmod o-rwx {tmp_path / 'tls.key'}" in found[1]
