"""The part of the demonstration with news: an article that is posted at one node and read at the other."""

import re
import socket
from pathlib import Path
from typing import Self

from gateway.cli.demo_nodes import WAIT_SECONDS, DemoFault, DemoNode, say, show, wait_for

GROUP = "village.talk"
_PORT = re.compile(r"NNTP on 127\.0\.0\.1:(\d+)")
_ARTICLE = (
    "From: Alice <alice@village.example>",
    f"Newsgroups: {GROUP}",
    "Subject: Who has seen my goat?",
    "Message-ID: <demo-2@village.example>",
    "",
    "She is brown, and answers to the name of Usenet.",
)


def add_news(node: DemoNode, other: DemoNode) -> None:
    """Let a node keep news for readers, and exchange it with the other."""
    node.configure("news", f'pathhost = "news.{node.domain}"')
    node.configure("news.reader", 'feed = "*"')
    node.configure("news.reader.groups", f'"{GROUP}" = "What is talked about in the village"')
    node.configure("nntp", 'listen = ["127.0.0.1:0"]')
    names = f'path_names = ["news.{other.domain}"]'
    node.configure(f"neighbour.{other.name}.news", 'feed = "*"', 'accept = "*"', names)


def show_news(village: DemoNode, town: DemoNode, stick: Path) -> None:
    """Post an article in the village, carry it, and read it in the town."""
    say("8. News travels the same way. Alice posts an article; her newsreader speaks NNTP with the daemon,")
    say("   which answers 240 once it is on disk. It can be read in the village at once, and goes on the")
    say("   stick behind all mail.")
    with _Reader(village) as reader:
        reader.command("POST", "340")
        reader.command("\r\n".join((*_ARTICLE, ".")), "240", is_told=False)
    village.command("xfer", str(stick))
    town.command("xfer", str(stick))
    with _Reader(town) as reader:
        wait_for(
            lambda: reader.ask("STAT <demo-2@village.example>").startswith("223") or None,
            "the article in the town",
        )
        say(f"   Bob's newsreader in the town asks for what is new in {GROUP}:")
        reader.command(f"GROUP {GROUP}", "211")
        reader.command("ARTICLE 1", "220")
        article = reader.text()
    show("\n".join(article))
    if not set(_ARTICLE) <= set(article):
        raise DemoFault("the article arrived, but not as it was posted")
    say("   Path says which way it came. A server such as INN in either place would be fed as well.\n")


class _Reader:
    """A newsreader, as simple as can be."""

    def __init__(self, node: DemoNode) -> None:
        self._socket = socket.create_connection(("127.0.0.1", node.port(_PORT)), timeout=WAIT_SECONDS)
        self._input = self._socket.makefile("r", encoding="utf-8", newline="\r\n")
        self._input.readline()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._input.close()
        self._socket.close()

    def ask(self, line: str) -> str:
        """Say something; returns the answer."""
        self._socket.sendall(f"{line}\r\n".encode())
        return self._input.readline().rstrip("\r\n")

    def command(self, line: str, status: str, *, is_told: bool = True) -> None:
        """Say something that has to be answered with a status.

        Raises:
            DemoFault: it was answered otherwise.
        """
        answer = self.ask(line)
        if is_told:
            show(f"> {line}")
        show(f"< {answer}")
        if not answer.startswith(status):
            raise DemoFault(f"NNTP: {answer}")

    def text(self) -> list[str]:
        """The lines behind an answer, up to the final dot."""
        lines = []
        while (line := self._input.readline().rstrip("\r\n")) != ".":
            lines.append(line)
        return lines
