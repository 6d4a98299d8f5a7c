"""The listening side: takes connections, learns who calls, and runs a session with each neighbour."""

from dataclasses import dataclass

from gateway.carry.online.office import Office
from gateway.ids import NICE_MAX


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """What a listener takes.

    Args:
        nice: packets above it are neither announced nor taken.
        is_nock: received packets are not verified here; they stay ``.nock``.
        session_limit_count: sessions at once; who calls beyond that waits.
        stranger_limit_count: connections at once that have not yet told who they are.
    """

    nice: int = NICE_MAX
    is_nock: bool = False
    session_limit_count: int = 128
    stranger_limit_count: int = 512


class Listener:
    """Runs sessions with those who call.

    Args:
        office: what sessions share; it must have been entered.
        settings: what to take.
    """

    def __init__(self, office: Office, settings: ListenerSettings) -> None:
        self._office = office
        self._settings = settings

    async def open(self, bind: str) -> list[tuple[str, int]]:
        """Start listening, without taking connections yet; may be called for several addresses.

        Args:
            bind: ``HOST:PORT``, ``[IPv6]:PORT`` or ``:PORT``; ``[::]:PORT`` means IPv4 too, as in Go.

        Returns:
            The addresses and ports in fact.

        Raises:
            ConfigError: the address cannot be used.
        """
        raise NotImplementedError

    async def run(self) -> None:
        """Take connections until cancelled; then sessions are ended cleanly, and sockets closed."""
        raise NotImplementedError
