"""NNCP configurations for tests, as trees that a test can change before they are written."""

import copy
import json
import random
from pathlib import Path
from typing import Any

from gateway.ids import encode_base32
from gateway.packet.keys import PrivateKeys, generate_keys

Tree = dict[str, Any]

KEYS = {name: generate_keys(random.Random(name).randbytes) for name in ("self", "bob", "carol")}
"""One node and two neighbours; always the same ones, since tests are named after them."""


ACCEPTED: list[tuple[str, object]] = [
    ("self", None),
    ("mcd-listen", [".*"]),
    ("mcd-send", {".*": 10}),
    ("yggdrasil-aliases", {"a": "b"}),
    ("noprogress", None),
    ("neigh.bob.noisepub", ...),
    ("neigh.bob.ack", {"minsize": 1, "nice": "P"}),
    ("neigh.bob.addrs", {"lan": "[::1]:5400"}),
    ("neigh.bob.rxrate", -1),
    ("neigh.bob.maxonlinetime", 0),
    ("neigh.bob.freq", {"maxsize": 0}),
    ("neigh.bob.freq", {"maxsize": 2**54 - 1}),
    ("neigh.bob.calls", [{"cron": "*/5 * * * *", "nice": "N+3", "xx": "rx", "when-tx-exists": True}]),
    ("neigh.bob.calls", [{"cron": "@hourly", "autotoss-doseen": True, "addr": "lan", "maxonlinetime": 5}]),
    ("areas", {"news": {"id": KEYS["bob"].id.text, "subs": ["bob"], "allow-unknown": True}}),
]
"""Settings of a tree, each of which every NNCP tool accepts."""

REFUSED: list[tuple[str, object, str]] = [
    ("spool", ..., "spool: missing, allowed: an absolute path"),
    ("spool", "var/spool", "spool: a path that is not absolute"),
    ("spool", 3, "spool: a number, allowed: a text, in quotes"),
    ("log", "FD:1", "log: a path that is not absolute"),
    ("umask", 22, "umask: a number, allowed: a text, in quotes"),
    ("umask", "022 # group", "umask: allowed: octal digits in quotes"),
    ("umask", "0o22", "umask: allowed: octal"),
    ("umask", "٣", "umask: allowed: octal"),
    ("noprogress", "true, # yes", "noprogress: a text, allowed: true or false (a text without quotes"),
    ("nohdr", 1, "nohdr: a number, allowed: true or false"),
    ("self", [], "self: a list, allowed: an object"),
    ("self.signprv", ..., "self.signprv: missing, allowed: 103 characters"),
    ("self.exchprv", "ABC", "self.exchprv: "),
    ("self.noiseprv", 5, "self.noiseprv: a number, allowed: 52 characters"),
    ("self.id", KEYS["bob"].id.text, "self.id: differs from neigh.self.id"),
    ("neigh", ..., "neigh: the entry self is missing"),
    ("neigh.self", ..., "neigh: the entry self is missing"),
    ("neigh.self.id", "x", "neigh.self.id: not upper-case base32"),
    ("neigh.bob", None, "neigh.bob: null, allowed: an object"),
    ("neigh.bob", "x", "neigh.bob: a text, allowed: an object"),
    ("neigh.bob.exchpub", ..., "neigh.bob.exchpub: missing, allowed: 52 characters of base32 (A-Z, 2-7)"),
    ("neigh.bob.id", KEYS["bob"].id.text + " # bob", "neigh.bob.id: not upper-case base32"),
    ("neigh.bob.signpub", "A" * 50, "neigh.bob.signpub: decodes to 31 bytes, 32 wanted"),
    ("neigh.bob.noisepub", "", "neigh.bob.noisepub: decodes to 0 bytes"),
    ("neigh.bob.incoming", "", "neigh.bob.incoming: a path that is not absolute"),
    ("neigh.bob.incoming", "/a\0b", "neigh.bob.incoming: a path that is not absolute"),
    ("neigh.bob.via", "carol", "neigh.bob.via: a text, allowed: a list of texts"),
    ("neigh.bob.via", ["nobody"], "neigh.bob.via.0: unknown node 'nobody', allowed: names and ids of neigh"),
    ("neigh.bob.via", ["carol", "A" * 52], "neigh.bob.via.1: unknown node"),
    ("neigh.bob.exec", ["x"], "neigh.bob.exec: a list, allowed: an object"),
    ("neigh.bob.exec.mail", "sendmail", "neigh.bob.exec.mail: a text, allowed: a list of texts"),
    ("neigh.bob.exec.mail", [1], "neigh.bob.exec.mail: a list, allowed: a list of texts"),
    ("neigh.bob.freq.path", "pub", "neigh.bob.freq.path: a path that is not absolute"),
    ("neigh.bob.freq.chunked", 0, "neigh.bob.freq.chunked: a number, allowed: a whole number of KiB from 1"),
    ("neigh.bob.freq.minsize", -1, "neigh.bob.freq.minsize: a number, allowed: a whole number of KiB from 0"),
    ("neigh.bob.freq.minsize", 0.5, "neigh.bob.freq.minsize: a number"),
    ("neigh.bob.freq.maxsize", "8", "neigh.bob.freq.maxsize: a text, allowed: a whole number of KiB"),
    ("neigh.bob.freq.maxsize", 2**64, "neigh.bob.freq.maxsize: a number"),
    ("neigh.bob.ack.nice", 5, "neigh.bob.ack.nice: a number, allowed: a text, in quotes"),
    ("neigh.bob.ack.nice", "Q", "neigh.bob.ack.nice: niceness 'Q' is not known"),
    ("neigh.bob.addrs", {"lan": 1}, "neigh.bob.addrs.lan: a number"),
    ("neigh.bob.rxrate", True, "neigh.bob.rxrate: true or false, allowed: a whole number"),
    ("neigh.bob.onlinedeadline", 0, "neigh.bob.onlinedeadline: a number, allowed: a whole number of sec"),
    ("neigh.bob.calls", {}, "neigh.bob.calls: an object, allowed: a list of objects"),
    ("neigh.bob.calls", [5], "neigh.bob.calls.0: a number, allowed: an object"),
    ("neigh.bob.calls", [{"nice": "P"}], "neigh.bob.calls.0.cron: missing field(s), allowed: minute, hour"),
    ("neigh.bob.calls", [{"cron": "@hourly"}, {"cron": "x"}], "neigh.bob.calls.1.cron: missing field"),
    ("neigh.bob.calls", [{"cron": "* 24 * * *"}], "neigh.bob.calls.0.cron: hour field: '24'"),
    ("neigh.bob.calls", [{"cron": "@hourly", "xx": "both"}], 'neigh.bob.calls.0.xx: allowed: "rx" or "tx"'),
    ("neigh.bob.calls", [{"cron": "@hourly", "nock": "x"}], "neigh.bob.calls.0.nock: a text"),
    ("areas", {"news": {}}, "areas.news.id: missing"),
    ("areas", {"n": {"id": "A" * 52, "prv": "A" * 52}}, "areas.n.prv: a private key without pub"),
    ("areas", {"n": {"id": "A" * 52, "subs": ["x"]}}, "areas.n.subs.0: unknown node 'x'"),
    ("areas", {"n": {"id": "A" * 52, "allow-unknown": 1}}, "areas.n.allow-unknown: a number"),
    ("notify.file", "x", "notify.file: a text, allowed: an object"),
    ("notify.exec", {"*.x": {"to": 1}}, "notify.exec.*.x.to: a number"),
    ("mcd-listen", ".*", "mcd-listen: a text, allowed: a list of texts"),
    ("mcd-send", {".*": "10"}, "mcd-send..*: a text, allowed: a whole number"),
    ("yggdrasil-aliases", {"a": 1}, "yggdrasil-aliases.a: a number"),
]  # fmt: skip
"""Settings of a tree that are refused, and how our message starts."""


def public_tree(keys: PrivateKeys) -> Tree:
    """What a neighbour's entry says of these keys."""
    return {
        "id": keys.id.text,
        "exchpub": encode_base32(keys.exchpub),
        "signpub": encode_base32(keys.signpub),
        "noisepub": encode_base32(keys.noisepub),
    }


def private_tree(keys: PrivateKeys) -> Tree:
    """What ``self`` says of these keys."""
    return public_tree(keys) | {
        "exchprv": encode_base32(keys.exchprv),
        "signprv": encode_base32(keys.signprv),
        "noiseprv": encode_base32(keys.noiseprv),
    }


def config_tree(home: Path) -> Tree:
    """A configuration of ``self``, ``bob`` and ``carol``, its files below ``home``."""
    return {
        "spool": str(home / "spool"),
        "log": str(home / "log"),
        "self": private_tree(KEYS["self"]),
        "neigh": {name: public_tree(keys) for name, keys in KEYS.items()},
    }


def changed(tree: Tree, path: str, value: object) -> Tree:
    """A copy of a tree with one key set; the objects on the way are made.

    Args:
        tree: left as it is.
        path: keys with dots between them.
        value: what to put there; ``...`` removes the key.
    """
    result = copy.deepcopy(tree)
    *way, last = path.split(".")
    at = result
    for key in way:
        at = at.setdefault(key, {})
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return result


def write_config(home: Path, tree: Tree) -> Path:
    """Write a tree as JSON, which is valid Hjson; returns the file's path."""
    path = home / "nncp.hjson"
    path.write_text(json.dumps(tree, ensure_ascii=False))
    return path


def secrets_of(tree: Tree) -> list[str]:
    """The private keys in a tree, as text."""
    return [value for key, value in (tree["self"] or {}).items() if key.endswith("prv")]
