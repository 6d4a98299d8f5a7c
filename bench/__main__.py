"""Runs the benchmarks: ``./run bench [part]``.

Prints one line for each figure::

    NAME ours=X peer=Y ratio=R target=T ok|short

A target that is missed says ``short``; the exit status stays 0, since a benchmark is no test.
"""

import importlib
import pkgutil
import signal
import sys

import bench
from bench.figures import BenchError

_NO_PARTS = {"__main__", "figures", "mail_letters", "mail_site", "packet_nodes"}


def parts() -> list[str]:
    """The names of all parts: modules of this package with a ``run`` function."""
    names = (module.name for module in pkgutil.iter_modules(bench.__path__))
    return [name for name in names if name not in _NO_PARTS]


def main(arguments: list[str]) -> int:
    """Run the parts named, or all; a part such as ``mail_bytes`` is a topic of ``mail``."""
    known = parts()
    wanted = arguments or [name for name in known if "_" not in name]
    for name in wanted:
        if name not in known:
            print(f"bench: no part {name!r}; there are: {', '.join(known)}", file=sys.stderr)
            return 2
    # What a part started ends with it, however it ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    for name in wanted:
        try:
            for figure in importlib.import_module(f"bench.{name}").run():
                print(figure, flush=True)
        except BenchError as error:
            print(f"bench {name}: left out: {error}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
