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
    from tests.plugins import undone

    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    with undone():
        yield site
