"""Certificates are checked when they are loaded, and never exchanged for something that does not work."""

import logging
import os
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.errors import ConfigError
from gateway.ingest.certificates import CertificateFiles, Certificates, load_context
from tests.support.certificates import make_certificate


def test_no_tls_older_than_1_2(tmp_path: Path) -> None:
    assert load_context(make_certificate(tmp_path)).minimum_version is ssl.TLSVersion.TLSv1_2


def test_both_may_stand_in_one_file(tmp_path: Path) -> None:
    files = make_certificate(tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes(files.key.read_bytes() + files.certificate.read_bytes())
    load_context(CertificateFiles(both, both))


def test_what_can_not_be_used_is_named(tmp_path: Path) -> None:
    good, other = make_certificate(tmp_path), make_certificate(tmp_path, stem="other")
    locked = tmp_path / "locked.key"
    locked.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    empty = tmp_path / "empty"
    empty.touch()
    missing = tmp_path / "missing"
    for files, named in [
        (CertificateFiles(good.certificate, other.key), r"key values mismatch; allowed: "),
        (CertificateFiles(good.certificate, locked), r"allowed: .* without a passphrase"),
        (CertificateFiles(empty, good.key), r"empty with key .*allowed: "),
        (CertificateFiles(missing, good.key), r"missing can't be read: No such file"),
        (CertificateFiles(good.certificate, missing), r"missing can't be read: No such file"),
    ]:
        with pytest.raises(ConfigError, match=named):
            load_context(files)


def test_files_are_read_again_when_they_change_and_only_then(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = make_certificate(tmp_path)
    certificates = Certificates(files)
    context = certificates.context
    with caplog.at_level(logging.INFO):
        certificates.refresh()
        assert caplog.messages == []
        new = make_certificate(tmp_path, stem="new")
        os.replace(new.certificate, files.certificate)  # noqa: PTH105 - as renewals do it
        certificates.refresh()
        certificates.refresh()
        assert len(caplog.messages) == 1
        assert "the certificate stays as it was" in caplog.messages[0]
        os.replace(new.key, files.key)  # noqa: PTH105
        certificates.refresh()
        assert caplog.messages[1] == f"{files.certificate} was read again"
        files.key.unlink()
        certificates.refresh()
        assert "can't be read" in caplog.messages[2]
    assert certificates.context is context
