"""A decoder that is fuzzed.

Contract: a target takes any bytes; a ``GatewayError`` is an answer like any other, and whatever else is
raised is a finding. Where a decoder can be fed in pieces, the first byte of the input says how long
these are, and the answer must be the same as for the whole.
"""

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.errors import GatewayError


@dataclass(frozen=True, slots=True)
class Target:
    """A decoder.

    Args:
        decode: takes one input.
        seeds: sound inputs.
        words: pieces that chance would hardly find.
        limit_bytes: longest input tried.
    """

    decode: Callable[[bytes], object]
    seeds: Callable[[], Iterable[bytes]]
    words: tuple[bytes, ...] = ()
    limit_bytes: int = 4096

    def run(self, data: bytes) -> None:
        """Decode one input; what it raises is a finding."""
        with contextlib.suppress(GatewayError):
            self.decode(data)


def in_pieces(decode: Callable[[Iterable[bytes]], object]) -> Callable[[bytes], object]:
    """Decode the input at once and in pieces; values, or classes of errors, must agree."""

    def answer(source: Iterable[bytes]) -> object:
        try:
            return decode(source)
        except GatewayError as error:
            return type(error)

    def both(data: bytes) -> None:
        size, rest = (data[0] if data else 0) or 1, data[1:]
        at_once = answer([rest])
        cut = answer(rest[at : at + size] for at in range(0, len(rest), size))
        assert at_once == cut, f"at once {at_once!r}, in pieces {cut!r}"

    return both


def text_of(data: bytes) -> str:
    """An input as text; what is not UTF-8 becomes U+FFFD."""
    return data.decode("utf-8", "replace")
