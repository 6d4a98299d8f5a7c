"""Articles for tests."""

from collections.abc import Mapping

from gateway.nntp.unpacking import Packing

FIELDS = {
    "Path": "a.news.test!x!not-for-mail",
    "From": "j@a.test",
    "Newsgroups": "misc.test",
    "Subject": "t1",
    "Message-ID": "<1@p.test>",
    "Date": "Fri, 20 Nov 2026 11:52:24 +0000",
}
POSTED_SECONDS = 1795175544.0
"""What Date says."""


def article(body: str = "body\r\n", /, **changes: str | None) -> bytes:
    """An article; underscores in names of fields are hyphens, None leaves a field out."""
    renamed = {name.replace("_", "-"): value for name, value in changes.items()}
    return article_of({**FIELDS, **renamed}, body)


def article_of(fields: Mapping[str, str | None], body: str = "body\r\n") -> bytes:
    """An article with these fields."""
    lines = [f"{name}: {value}\r\n" for name, value in fields.items() if value is not None]
    return "".join([*lines, "\r\n", body]).encode()


def batch_article(data: bytes) -> bytes:
    """An article with CRLF line ends as a part of an rnews batch; such parts in a row are a batch."""
    lines = data.replace(b"\r\n", b"\n")
    return b"#! rnews %d\n%b" % (len(lines), lines)


def packing_header(packing: Packing) -> bytes:
    """The line in front of a packed batch."""
    return f"#! {packing}\n".encode()
