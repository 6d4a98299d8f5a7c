"""Toss one exec packet: find its handler, prove the packet, then run the handler on its body.

    FOUND ──pass 1──→ PROVEN ──pass 2──→ handler ended with 0 ──→ the packet may go
      └─────────────────┴────────────────┴──→ GatewayError: the packet stays

Contract: no byte of the body reaches a handler before the whole packet is authenticated and its
body is known to unfold within the limit. A small body is kept from the first pass; a larger one is
read again from the same open file, and if that fails the handler is killed before it sees an end.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.errors import GatewayError, PacketError
from gateway.ids import NodeId, PacketId
from gateway.nodes import Book, Node
from gateway.packet.plain import PacketType, PlainHeader, decode_exec_path
from gateway.spool.sizes import ibytes
from gateway.toss.exec_handler import (
    Command,
    HandlerFailed,
    HandlerLimits,
    Meanwhile,
    do_nothing,
    run_handler,
)
from gateway.toss.expansion import expand, limited
from gateway.toss.opened import Readable, Reading
from gateway.toss.packet import Failed, ReceivedPacket, Tossed
from gateway.toss.settings import FindInProcess, TossSettings
from gateway.toss.work import Work

KEPT_BODY_BYTES = 1024 * 1024
"""A body up to this size is kept from the first pass and not opened a second time."""


class NoHandle(GatewayError):
    """The sender may not run anything under this handle."""

    status = "5.7.1"


@dataclass(frozen=True, slots=True)
class ExecCall:
    """What a packet asks to run.

    Args:
        sender: the neighbour that signed the packet.
        packet: its name in the spool.
        plain: what its payload is.
        handle: name of the command.
        args: what the sender adds to it.
        author: who answers for it, if the sender is an area and the author's signature was checked.
    """

    sender: Node
    packet: PacketId
    plain: PlainHeader
    handle: bytes
    args: tuple[bytes, ...]
    author: NodeId | None = None

    @property
    def text(self) -> str:
        """Handle and arguments, for a person."""
        return os.fsdecode(b" ".join((self.handle, *self.args)))


def read_call(sender: Node, packet: PacketId, plain: PlainHeader, author: NodeId | None = None) -> ExecCall:
    """Split an exec packet's path."""
    handle, args = decode_exec_path(plain.path)
    return ExecCall(sender, packet, plain, handle, args, author)


class ExecToss:
    """Runs what exec packets ask for.

    Args:
        book: who we are and whom we know.
        settings: limits.
        find_in_process: gives the handler within this process for a configured command, or None.
        meanwhile: what may be done while a handler works on its input.
    """

    def __init__(
        self,
        book: Book,
        settings: TossSettings,
        find_in_process: FindInProcess,
        meanwhile: Meanwhile = do_nothing,
    ) -> None:
        self._meanwhile = meanwhile
        self._book = book
        self._settings = settings
        self._find_in_process = find_in_process
        self.limits = HandlerLimits(settings.handler_timeout_seconds, settings.handler_output_limit_bytes)

    def configured(self, call: ExecCall) -> tuple[str, ...]:
        """The command that the configuration has for a call, without the sender's arguments.

        Raises:
            NoHandle: there is none.
        """
        argv = call.sender.exec.get(os.fsdecode(call.handle))
        if not argv:
            raise NoHandle("No handle found")
        return argv

    def prove(self, call: ExecCall, first: Reading) -> list[bytes] | None:
        """Read the packet to its end.

        Args:
            call: what it asks for.
            first: the pass that was begun on it.

        Returns:
            The whole body when it is small, else None.

        Raises:
            PacketError: it does not authenticate, is not whole, or its body is not sound or too large.
            StoreError: it can't be read.
        """
        kept: list[bytes] | None = []
        total_bytes = 0
        for piece in self._body(call, first):
            total_bytes += len(piece)
            if total_bytes > KEPT_BODY_BYTES:
                kept = None
            elif kept is not None:
                kept.append(bytes(piece))
        return kept

    def run(self, call: ExecCall, argv: tuple[str, ...], opened: Readable, kept: list[bytes] | None) -> bytes:
        """Run the handler on a proven packet.

        Args:
            call: what it asks for.
            argv: the configured command.
            opened: the packet, for the second pass.
            kept: the body, if the first pass kept it.

        Returns:
            What the handler wrote.

        Raises:
            GatewayError: the handler, or the second pass, failed.
        """
        body = iter(kept) if kept is not None else self._second(call, opened)
        in_process = self._find_in_process(argv)
        if in_process is None:
            return run_handler(self._command(call, argv), body, self.limits, self._meanwhile)
        in_process(
            body,
            args=call.args,
            sender=call.sender.id,
            author=call.author,
            nice=call.plain.nice,
            packet=call.packet,
        )
        return b""

    def _second(self, call: ExecCall, opened: Readable) -> Iterator[bytes | memoryview]:
        second = opened.read()
        if second.start()[1] != call.plain:
            raise PacketError("the packet was changed while it was tossed")
        yield from self._body(call, second)

    def _body(self, call: ExecCall, reading: Iterable[memoryview]) -> Iterator[bytes | memoryview]:
        is_compressed = call.plain.type == PacketType.EXEC
        body: Iterable[bytes | memoryview] = expand(reading) if is_compressed else reading
        return limited(body, self._settings.max_payload_bytes)

    def _command(self, call: ExecCall, argv: tuple[str, ...]) -> Command:
        own_id: NodeId = self._book.private_keys().id
        return Command(
            argv=(*(os.fsencode(part) for part in argv), *call.args),
            env={
                "NNCP_SELF": own_id.text,
                "NNCP_SENDER": call.sender.id.text,
                "NNCP_NICE": str(call.plain.nice),
                **({} if call.author is None else {"NNCP_AUTHOR": call.author.text}),
            },
        )


def toss_exec(work: Work, packet: ReceivedPacket) -> Tossed:
    """Run what a packet asks for.

    Raises:
        Failed: there is no such handle, the packet is not whole, or the handler failed.
    """
    call = read_call(packet.sender, packet.job.packet, packet.plain, packet.author)
    toss = ExecToss(work.book, work.settings, work.find_in_process, work.meanwhile)
    try:
        argv = toss.configured(call)
        kept = toss.prove(call, packet.first)
        if not work.settings.is_dry_run:
            output = toss.run(call, argv, packet.opened, kept)
            _notify(work, packet, call, output)
    except NoHandle as error:
        raise packet.failed("rx-no-handle", error, call.text) from error
    except PacketError as error:
        raise packet.failed("rx-unmarshal", error, call.text, "unmarshal") from error
    except HandlerFailed as error:
        raise _handler_failed(packet, call, error) from error
    except GatewayError as error:
        raise packet.failed("rx-handle", error, call.text, "handling") from error
    sender, size = packet.sender.name, ibytes(packet.size_bytes)
    return Tossed(packet.fields(call.text), f"Got exec from {sender} to {call.text} ({size})")


def _handler_failed(packet: ReceivedPacket, call: ExecCall, error: HandlerFailed) -> Failed:
    failed = packet.failed("rx-handle", error, call.text, "handling")
    failed.fields.append(("Output", error.output.decode("utf-8", "surrogateescape").rstrip("\n")))
    return failed


def _notify(work: Work, packet: ReceivedPacket, call: ExecCall, output: bytes) -> None:
    handle = os.fsdecode(call.handle)
    notices = work.settings.notices
    notice = notices.get(f"{packet.sender.name}.{handle}") or notices.get(f"*.{handle}")
    work.notify(packet, notice, f"Exec from {packet.sender.name}: {call.text}", call.text, output)
