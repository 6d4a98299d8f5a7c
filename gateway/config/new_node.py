"""Make a new node: keys, both configuration files with comments, and its directories.

Contract: nothing that exists is overwritten; if anything is in the way, nothing is made. The
NNCP configuration holds private keys and is readable by its owner alone (0600), ``gateway.toml``
by the group too (0640), directories likewise (0750).
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.config.edit_hjson import render_members
from gateway.config.gateway_toml import parse_gateway_text
from gateway.durable import Disk, store_errors
from gateway.errors import ConfigError
from gateway.ids import encode_base32
from gateway.nodes import SELF_NAME
from gateway.packet.keys import PrivateKeys, PublicKeys, Random, generate_keys

NNCP_NAME = "nncp.hjson"
GATEWAY_NAME = "gateway.toml"
SECRET_MODE = 0o600
CONFIG_MODE = 0o640
DIRECTORY_MODE = 0o750


@dataclass(frozen=True, slots=True)
class NewNode:
    """What to make.

    Args:
        directory: of the configuration; made if it is missing.
        state_directory: our queue.
        spool: NNCP's spool.
        incoming: where files from neighbours would go.
        hostname: our name in mail.
        domains: delivered here.
        deliver: lines of ``[deliver]``: ``to`` and what it needs.
        listen: endpoints of ``[smtp]``.
        owner: user and group id of everything that is made, or None: whoever runs this.
    """

    directory: Path
    state_directory: Path
    spool: Path
    incoming: Path
    hostname: str
    domains: tuple[str, ...]
    deliver: tuple[tuple[str, str | list[str]], ...]
    listen: tuple[str, ...]
    owner: tuple[int, int] | None = None

    @property
    def nncp_path(self) -> Path:
        """The NNCP configuration."""
        return self.directory / NNCP_NAME

    @property
    def gateway_path(self) -> Path:
        """Our own configuration."""
        return self.directory / GATEWAY_NAME


def make_node(wish: NewNode, disk: Disk, rng: Random) -> PublicKeys:
    """Make it.

    Args:
        wish: what.
        disk: how files are made.
        rng: cryptographic randomness.

    Returns:
        The new node's public keys.

    Raises:
        ConfigError: a file is there already, or a value is not allowed.
        StoreError: the disk refused.
    """
    for path in (wish.gateway_path, wish.nncp_path):
        if path.exists() or path.is_symlink():
            raise ConfigError(f"{path}: is there already and is not overwritten; choose another --directory")
    toml = gateway_text(wish)
    parse_gateway_text(wish.gateway_path, toml)
    keys = generate_keys(rng)
    for directory in dict.fromkeys((wish.directory, wish.state_directory, wish.spool, wish.incoming)):
        _make_directory(directory, disk, wish.owner)
    _make_file(wish.nncp_path, nncp_text(wish, keys), SECRET_MODE, disk, wish.owner)
    _make_file(wish.gateway_path, toml, CONFIG_MODE, disk, wish.owner)
    return keys.public


def nncp_text(wish: NewNode, keys: PrivateKeys) -> str:
    """The NNCP configuration of a new node; it holds the private keys."""
    public = {
        "id": keys.id.text,
        "exchpub": encode_base32(keys.exchpub),
        "signpub": encode_base32(keys.signpub),
        "noisepub": encode_base32(keys.noisepub),
    }
    private = {
        "exchprv": encode_base32(keys.exchprv),
        "signprv": encode_base32(keys.signprv),
        "noiseprv": encode_base32(keys.noiseprv),
    }
    lines = [
        "# NNCP configuration of this node, for nncp-gateway and the Go NNCP tools alike.",
        "# It holds private keys: nobody else may read it. Neighbours get what",
        "# `nncp-gateway invite` prints.",
        "{",
        "  # Encrypted packets on their way in and out",
        f"  spool: {json.dumps(str(wish.spool))}",
        f"  log: {json.dumps(str(wish.spool / 'log'))}",
        "",
        "  # The keys of this node. DO NOT show anyone the private ones (prv).",
        *_indented("self", {**public, **private}),
        "",
        "  # Whom we know, ourselves first; `nncp-gateway accept NAME` adds to it",
        "  neigh: {",
        *(f"  {line}" for line in _indented(SELF_NAME, {**public, "incoming": str(wish.incoming)})),
        "  }",
        "}",
        "",
    ]
    return "\n".join(lines)


def gateway_text(wish: NewNode) -> str:
    """The ``gateway.toml`` of a new node."""
    deliver = [f"{key} = {json.dumps(value)}" for key, value in wish.deliver]
    lines = [
        "# Configuration of nncp-gateway. Every key: docs/reference/config.md.",
        "# Relative paths are beside this file. `nncp-gateway check` says what is wrong.",
        "",
        "[node]",
        "# Our name in mail (Received lines, greetings)",
        f"hostname = {json.dumps(wish.hostname)}",
        "# Keys and neighbours, shared with the Go NNCP tools",
        f"nncp_config = {json.dumps(NNCP_NAME)}",
        "# Our queue",
        f"state_directory = {json.dumps(_beside(wish.directory, wish.state_directory))}",
        "",
        "[smtp]",
        "# Where mail is taken in, by SMTP; [] for nowhere",
        f"listen = {json.dumps(list(wish.listen))}",
        "# Who may hand mail in; everybody else is refused",
        'relay_from = ["127.0.0.0/8", "::1/128"]',
        "",
        "[deliver]",
        "# Mail for these domains is delivered here",
        f"domains = {json.dumps(list(wish.domains))}",
        '# Where to: "smtp" or "lmtp" with address, "sendmail" or "batch" with command, "maildir" with path',
        *deliver,
        "",
        "[batch]",
        "# A batch is closed when one of these is reached",
        "max_messages = 1000",
        "max_bytes = 1048576",
        "max_age_seconds = 60.0",
        "",
        "# Neighbours and routes follow; `nncp-gateway accept NAME --domain DOMAIN` adds them.",
        "# Mail that no route names is refused.",
        "",
    ]
    return "\n".join(lines)


def _indented(name: str, members: dict[str, str]) -> Sequence[str]:
    return [f"  {line}" for line in render_members({name: members})]


def _beside(directory: Path, path: Path) -> str:
    return str(path.relative_to(directory)) if path.is_relative_to(directory) else str(path)


def _make_directory(path: Path, disk: Disk, owner: tuple[int, int] | None) -> None:
    if path.is_dir():
        return
    disk.make_directories(path, DIRECTORY_MODE)
    if owner is not None:
        with store_errors(path, "set the owner of"):
            os.chown(path, *owner)


def _make_file(path: Path, text: str, mode: int, disk: Disk, owner: tuple[int, int] | None) -> None:
    with disk.create(path, mode) as new:
        with store_errors(path, "set the owner of"):
            os.fchmod(new.fileno(), mode)
            if owner is not None:
                os.fchown(new.fileno(), *owner)
        new.write(text.encode())
        new.keep()
    disk.sync_directory(path.parent)
