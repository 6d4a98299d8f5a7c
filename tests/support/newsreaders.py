"""slrn and tin as a person uses them, at a terminal, with a server on a port of 127.0.0.1."""

import os
from abc import ABC, abstractmethod
from pathlib import Path

from tests.support.peers import require
from tests.support.screen import Seat

ENTER = "\r"


class TerminalReader(ABC):
    """A newsreader that fills a screen; it knows one group.

    Args:
        directory: its home; made.
        port: of the server.
        group: that is subscribed.
    """

    name: str

    def __init__(self, directory: Path, port: int, group: str) -> None:
        self.program = require(self.name)
        self.home = directory
        self.port = port
        self.group = group
        directory.mkdir()
        self.editor = directory / "editor"
        self.editor.write_text(f'#!/bin/sh\nfor file; do :; done\necho "typed in {self.name}" >> "$file"\n')
        self.editor.chmod(0o755)
        (directory / ".newsrc").write_text(f"{group}:\n")

    def open(self, *options: str) -> Seat:
        """Start it."""
        environ = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "NNTPSERVER": "127.0.0.1",
            "EDITOR": str(self.editor),
            "VISUAL": str(self.editor),
        }
        return Seat([self.program, *options, "-p", str(self.port)], environ, self.home)

    @abstractmethod
    def read(self, subject: str, text: str) -> None:
        """Open the group and the first article in it, and wait until this subject and text are shown."""

    @abstractmethod
    def post(self, subject: str) -> None:
        """Post an article to the group."""


class Slrn(TerminalReader):
    """slrn."""

    name = "slrn"

    def open(self, *options: str) -> Seat:
        # Groups that are newer than its last start would stand above ours.
        (self.home / ".slrnrc").write_text(
            'set username "me"\nset hostname "a.test"\nset realname "Me"\nset check_new_groups 0\n'
            f'set editor_command "{self.editor} %s"\n'
        )
        return super().open("-h", "127.0.0.1", "-f", str(self.home / ".newsrc"), *options)

    def read(self, subject: str, text: str) -> None:
        with self.open() as seat:
            self._enter_group(seat)
            seat.type(ENTER)
            seat.wait_for(f"(?s)Subject: {subject}.*{text}")
            self._leave(seat)

    def post(self, subject: str) -> None:
        with self.open() as seat:
            self._enter_group(seat)
            seat.type("P")
            seat.wait_for("want to post")
            seat.type("y")
            seat.wait_for("Newsgroup: ")
            seat.type(ENTER)
            seat.wait_for(r"Subject: *$")
            seat.type(subject + ENTER)
            seat.wait_for("Post the message")
            seat.type("y")
            seat.wait_for(r"Posting\.\.\.done")
            self._leave(seat)

    def _enter_group(self, seat: Seat) -> None:
        seat.wait_for(self.group)
        seat.type(ENTER)
        seat.wait_for(f"Group: {self.group}")

    def _leave(self, seat: Seat) -> None:
        seat.type("q")
        seat.wait_for("News Groups: ")
        seat.type("q")
        seat.wait_for("really want to quit")
        seat.type("y")
        assert seat.wait_end() == 0


class Tin(TerminalReader):
    """tin, as it reads by NNTP."""

    name = "tin"

    def open(self, *options: str) -> Seat:
        settings = self.home / ".tin/tinrc"
        settings.parent.mkdir(exist_ok=True)
        settings.write_text("mail_address=Me <me@a.test>\n")
        return super().open("-r", "-g", "127.0.0.1", "-Q", *options)

    def read(self, subject: str, text: str) -> None:
        with self.open() as seat:
            self._enter_group(seat)
            seat.type(ENTER)
            seat.wait_for(f"(?s){subject}.*{text}")
            self._leave(seat)

    def post(self, subject: str) -> None:
        with self.open() as seat:
            self._enter_group(seat)
            seat.type("w")
            seat.wait_for("Post subject")
            seat.type(subject + ENTER)
            seat.wait_for("p=post")
            seat.type("p")
            seat.wait_for(f"(?m)^ +{self.group} \\(")
            self._leave(seat)

    def _enter_group(self, seat: Seat) -> None:
        shown = seat.wait_for("Press <RETURN>|Group Selection")
        if "<RETURN>" in shown:
            seat.type(ENTER)
        seat.wait_for(f"(?s)Group Selection.*{self.group}")
        seat.type(ENTER)
        seat.wait_for(f"(?m)^ +{self.group} \\(")

    def _leave(self, seat: Seat) -> None:
        # At once, as nobody should; tin asks several things otherwise.
        seat.type("Q")
        seat.wait_end()
