"""Runs the benchmarks: ``./run bench [part]``.

Prints one line for each figure::

    NAME ours=X peer=Y ratio=R target=T ok|short

A target that is missed says ``short``; the exit status stays 0, since a benchmark is no test.
"""

import importlib
import pkgutil
import signal
import sys
from collections.abc import Callable, Iterator

import bench
from bench.figures import BenchError, Figure

Run = Callable[[], Iterator[Figure]]
"""Takes the figures of a part."""


def parts() -> dict[str, Run]:
    """All parts by their names: modules of this package with a ``run`` function."""
    names = [module.name for module in pkgutil.iter_modules(bench.__path__)]
    runs = {name: getattr(importlib.import_module(f"bench.{name}"), "run", None) for name in names}
    return {name: run for name, run in runs.items() if run is not None}


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
            for figure in known[name]():
                print(figure, flush=True)
        except BenchError as error:
            print(f"bench {name}: left out: {error}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
