"""Where along the residual stream each probed number of ``layers.jsonl`` stands."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from initlab.network.taps import Layout, layout_sites
from initlab.probes.reductions import stored_quantities

_NOT_PROBES = frozenset({"step", "loss"})


class LayerRows:
    """Collects the probes of many runs and makes one long frame of them.

    ``plugin_taps`` says what the probes of plug-ins were tapped at.
    """

    def __init__(self, plugin_taps: Mapping[str, str]) -> None:
        self._layouts = {name: quantity.layout for name, quantity in stored_quantities(plugin_taps).items()}
        self._runs: list[int] = []
        self._steps: list[int] = []
        self._probes: list[int] = []
        self._lengths: list[int] = []
        self._sites: list[npt.NDArray[np.int64]] = []
        self._values: list[float | None] = []
        self._names: dict[str, int] = {}

    def add(self, run: int, n_layer: int, rows: list[dict[str, Any]]) -> None:
        """Add the rows of one run; ``run`` is the number it has in the table of runs."""
        for row in rows:
            for name, value in row.items():
                if name in _NOT_PROBES:
                    continue
                values = value if isinstance(value, list) else [value]
                self._runs.append(run)
                self._steps.append(row["step"])
                self._probes.append(self._names.setdefault(name, len(self._names)))
                self._lengths.append(len(values))
                self._sites.append(site_array(self._layouts.get(name, "end"), n_layer, len(values)))
                self._values.extend(values)

    def frame(self) -> pd.DataFrame:
        """Return columns run, step, probe, site, layer, value."""
        lengths = np.array(self._lengths, dtype=int)
        site = np.concatenate(self._sites) if self._sites else np.array([], dtype=np.int64)
        return pd.DataFrame(
            {
                "run": np.repeat(np.array(self._runs, dtype=int), lengths),
                "step": np.repeat(np.array(self._steps, dtype=int), lengths),
                "probe": pd.Categorical.from_codes(
                    np.repeat(np.array(self._probes, dtype=int), lengths), pd.Index(list(self._names), dtype=str)
                ),
                "site": site,
                "layer": site / 2,
                "value": np.array(self._values, dtype=float),
            }
        )


@cache
def site_array(layout: Layout, n_layer: int, count: int) -> npt.NDArray[np.int64]:
    """Return the residual sites (0..2·n_layer) at which a layout's ``count`` numbers stand, shape (count,).

    Numbers that are not as many as the layout has sites, which nobody has declared, stand at the end of the stream.
    """
    declared = layout_sites(layout, n_layer)
    return np.array(declared) if len(declared) == count else np.full(count, 2 * n_layer)
