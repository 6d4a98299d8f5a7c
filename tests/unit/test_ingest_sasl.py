"""The mechanisms PLAIN and LOGIN."""

import pytest

from gateway.ingest.sasl import (
    MECHANISMS,
    BadResponse,
    Credentials,
    Login,
    Plain,
    decode_response,
    encode_challenge,
)


@pytest.mark.parametrize("acting_as", ["", "alice"])
def test_plain_is_one_response(acting_as: str) -> None:
    assert Plain().take(f"{acting_as}\0alice\0wönder".encode()) == Credentials("alice", "wönder")


@pytest.mark.parametrize(
    "response", [b"", b"alice", b"\0alice", b"\0a\0b\0c", b"\0a\0\xff", b"bob\0alice\0x"]
)
def test_plain_that_is_none_is_refused(response: bytes) -> None:
    with pytest.raises(BadResponse):
        Plain().take(response)


def test_login_is_two_responses() -> None:
    exchange = Login()
    assert exchange.first_challenge == b"Username:"
    assert exchange.take(b"alice") == b"Password:"
    assert exchange.take(b"a\0b") == Credentials("alice", "a\0b")


def test_a_password_is_not_shown() -> None:
    assert "wonderland" not in repr(Credentials("alice", "wonderland"))


@pytest.mark.parametrize("line", ["!", "YQ", "YQ==x", "Y Q==", "ä", "YQ==\n"])
def test_a_line_that_is_no_base64_is_refused(line: str) -> None:
    with pytest.raises(BadResponse):
        decode_response(line)


def test_lines_are_base64() -> None:
    assert decode_response("") == b""
    assert decode_response("VXNlcm5hbWU6") == b"Username:"
    assert encode_challenge(Login.first_challenge) == "VXNlcm5hbWU6"
    assert list(MECHANISMS) == ["PLAIN", "LOGIN"]
