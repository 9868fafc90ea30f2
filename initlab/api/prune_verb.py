"""What nobody needs any more: orphaned runs, quarantine, what torch's compiler has kept."""

import getpass
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from initlab.files.public import PublicValue
from initlab.results.pruning import prunable, remove, size_of
from initlab.results.reading import load_results

CHOSEN = "TORCHINDUCTOR_CACHE_DIR"


@dataclass(frozen=True, repr=False)
class Pruned(PublicValue):
    """What was removed, or would be: each path with its bytes."""

    path: Path
    sizes: dict[str, int]
    dry_run: bool

    def document(self) -> dict[str, Any]:
        return {"path": str(self.path), "dry_run": self.dry_run, "removed": self.sizes}

    def describe(self) -> str:
        if not self.sizes:
            return f"{self.path}: nothing to remove"
        verb = "would remove" if self.dry_run else "removed"
        lines = [f"{verb} {path} ({size / 1e6:.1f} MB)" for path, size in self.sizes.items()]
        return "\n".join([*lines, f"{verb} {len(lines)} in all, {sum(self.sizes.values()) / 1e6:.1f} MB"])


def prune(path: str | Path, *, dry_run: bool = False) -> Pruned:
    """Remove what no plan of the sweep stored at ``path`` asks for, and what torch's compiler has kept.

    Orphaned runs are those of earlier plans that are not in the present one and that nobody trains. ``dry_run`` says
    what would be removed and removes nothing. Raises InitlabError where there is no sweep.

    >>> import initlab
    >>> _ = initlab.sweep(init="gpt2", n_layer=1, n_embd=16, n_head=1, block_size=8, steps=0, seeds=2, jobs=1,
    ...                   out="results/pruned", progress=False)
    >>> _ = initlab.sweep(init="gpt2", n_layer=1, n_embd=16, n_head=1, block_size=8, steps=0, seeds=1, jobs=1,
    ...                   out="results/pruned", progress=False)
    >>> orphans = [name for name in initlab.prune("results/pruned", dry_run=True).sizes if "runs" in name]
    >>> len(orphans)
    1
    """
    results = load_results(Path(path), thorough=False)
    found = [*prunable(results), *_compiler_caches()]
    sizes = {str(one): size_of(one) for one in found}
    if not dry_run:
        for one in found:
            remove(one)
    return Pruned(results.path, sizes, dry_run)


def _compiler_caches() -> list[Path]:
    """Return the folder that torch's compiler keeps compiled steps in, where it is this user's own.

    One that TORCHINDUCTOR_CACHE_DIR names is left alone: somebody chose it, and other things may lie there.
    """
    if os.environ.get(CHOSEN):
        return []
    try:
        folder = Path(tempfile.gettempdir()) / f"torchinductor_{getpass.getuser()}"
    except (OSError, KeyError):  # nobody knows the user's name
        return []
    if folder.is_symlink() or not folder.is_dir() or folder.lstat().st_uid != os.getuid():
        return []
    return [folder]
