"""Fixtures and settings of every test."""

import os
import shutil
import stat
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.processes import wait_until

# A slow machine must not fail a test: no time limit for one example, no check for slow generation.
_SLOW = [HealthCheck.too_slow]
settings.register_profile("default", max_examples=60, deadline=None, suppress_health_check=_SLOW)
settings.register_profile(
    "ci", max_examples=60, deadline=None, derandomize=True, print_blob=True, suppress_health_check=_SLOW
)
settings.register_profile(
    "fuzz", max_examples=5000, deadline=None, print_blob=True, suppress_health_check=_SLOW
)
settings.load_profile("default")

# sun_path holds 108 bytes; the peers add up to 60 of their own below a place.
PLACE_PATH_LIMIT_BYTES = 48

WORKER_COUNT = 2
"""Processes that share the whole suite."""

_failed = pytest.StashKey[bool]()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run what was named in one process, where it starts sooner, and shows its output and a debugger."""
    return WORKER_COUNT if config.args_source is pytest.Config.ArgsSource.TESTPATHS else 0


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave soak tests to ``pytest -m soak``."""
    if "soak" in config.getoption("markexpr"):
        return
    soaking = [item for item in items if item.get_closest_marker("soak")]
    if soaking:
        config.hook.pytest_deselected(items=soaking)
        items[:] = [item for item in items if not item.get_closest_marker("soak")]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember a failure, and say where its files stay."""
    report = yield
    if report.failed:
        item.stash[_failed] = True
        kept = getattr(item, "funcargs", {}).get("place")
        if kept is not None:
            report.sections.append(("Files of this test", f"kept in {kept}"))
    return report


def _place_root() -> Path:
    """A short directory that other users can enter, all the way down."""
    for name in (tempfile.gettempdir(), "/tmp", "/var/tmp"):  # noqa: S108 - a fresh directory is made below
        root = Path(name).resolve()
        is_open = all(step.stat().st_mode & stat.S_IXOTH for step in (root, *root.parents))
        if is_open and os.access(root, os.W_OK) and len(os.fsencode(root)) < PLACE_PATH_LIMIT_BYTES - 16:
            return root
    raise AssertionError("no temporary directory that every user can enter; set TMPDIR")


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Generator[Path]:
    """A fresh directory with a short path that every user can enter (0755).

    pytest's own ``tmp_path`` is 0700, so that Postfix, innd and other users' handlers cannot work in
    it. It is removed afterwards, and kept when the test failed.
    """
    path = _new_place()
    yield path
    if not request.node.stash.get(_failed, False):
        _remove(path)


@pytest.fixture(scope="module")
def shared_place(request: pytest.FixtureRequest) -> Generator[Path]:
    """As ``place``, for all tests of a module; kept when one of them failed."""
    failed_before_count = request.session.testsfailed
    path = _new_place()
    yield path
    if request.session.testsfailed == failed_before_count:
        _remove(path)


def _new_place() -> Path:
    path = Path(tempfile.mkdtemp(prefix="ngw-", dir=_place_root()))
    path.chmod(0o755)
    return path


def _remove(path: Path) -> None:
    """Remove a tree in which a peer that is just ending may still write."""

    def is_gone() -> bool:
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            return not path.exists()
        except OSError:
            return False
        return True

    wait_until(is_gone, 60, f"the removal of {path}")
