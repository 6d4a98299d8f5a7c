"""Tells at once when something new stands in a directory: one inotify descriptor for all of a process.

A watch that can't be had (the limit of the system is reached, a network file system) is no fault:
whoever watches looks by itself from time to time as well.
"""

import asyncio
import contextlib
import ctypes
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import inotify_simple
from inotify_simple import INotify, flags

# Else it looks for the C library by running ldconfig, and perhaps a compiler, while a session waits.
inotify_simple._libc = ctypes.CDLL(None, use_errno=True)  # noqa: SLF001 - there is no other way in

_LOG = logging.getLogger(__name__)

_MASK = flags.MOVED_TO | flags.CLOSE_WRITE | flags.ONLYDIR
"""A packet is renamed into its place, or copied there by hand."""

OnNews = Callable[[Sequence[str] | None], None]
"""Called with the names that are new; None: some were lost, look at the whole directory."""


class Watch:
    """The watched directories of one process; belongs to the event loop it was made in."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._inotify: INotify | None = None
        self._listeners: dict[int, list[OnNews]] = {}

    def add(self, directory: Path, on_news: OnNews) -> Callable[[], None]:
        """Watch a directory.

        Returns:
            What ends the watching.
        """
        try:
            if self._inotify is None:
                self._inotify = INotify(nonblocking=True)
                self._loop.add_reader(self._inotify.fileno(), self._read)
            number: int = self._inotify.add_watch(directory, _MASK)
        except OSError as error:
            _LOG.warning("cannot watch %s (%s): new packets are found later", directory, error.strerror)
            return lambda: None
        self._listeners.setdefault(number, []).append(on_news)
        return lambda: self._remove(number, on_news)

    def close(self) -> None:
        """End all watching."""
        if self._inotify is not None:
            self._loop.remove_reader(self._inotify.fileno())
            self._inotify.close()
            self._inotify = None
        self._listeners.clear()

    def _remove(self, number: int, on_news: OnNews) -> None:
        listeners = self._listeners.get(number, [])
        with contextlib.suppress(ValueError):
            listeners.remove(on_news)
        if not listeners and self._listeners.pop(number, None) is not None and self._inotify is not None:
            with contextlib.suppress(OSError):
                self._inotify.rm_watch(number)

    def _read(self) -> None:
        if self._inotify is None:
            return
        news: dict[int, list[str]] = {}
        for event in self._inotify.read(timeout=0):
            if event.mask & flags.Q_OVERFLOW:
                self._tell_all()
                return
            if event.name:
                news.setdefault(event.wd, []).append(event.name)
        for number, names in news.items():
            for on_news in tuple(self._listeners.get(number, ())):
                on_news(names)

    def _tell_all(self) -> None:
        for listeners in tuple(self._listeners.values()):
            for on_news in tuple(listeners):
                on_news(None)
