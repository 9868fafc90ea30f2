"""What tests of several packages share."""

import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest


def optional_module(name: str) -> ModuleType:
    """Import what an extra brings, or skip the tests that need it.

    With INITLAB_REQUIRE_EXTRAS=1, as CI sets it, a missing one is an error: there, a skip would go unnoticed.
    """
    if os.environ.get("INITLAB_REQUIRE_EXTRAS") == "1":
        return importlib.import_module(name)
    module: ModuleType = pytest.importorskip(name, reason=f"{name} is not installed")
    return module


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what tests measure of a busy machine out of the user's cache; all processes of a test run share one."""
    fonts = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "matplotlib"
    with pytest.MonkeyPatch.context() as patch:
        if "MPLCONFIGDIR" not in os.environ:
            patch.setenv("MPLCONFIGDIR", str(fonts))  # matplotlib looks for fonts anew in every empty cache
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp().parent / "cache"))
        yield


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Keep torch to one thread: on tensors this small more of them only wait for one another."""
    import torch  # most tests need no torch, and do not wait for it

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def plugin_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return an empty folder on sys.path in which a test may install plug-ins; nothing of them outlives it."""
    from tests.installing import undone

    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    with undone():
        yield site
