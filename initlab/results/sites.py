"""Where along the residual stream each probed number of ``layers.jsonl`` stands."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from initlab.network.slots import ATTENTION_ROLES
from initlab.probes.reductions import PROBES

_NOT_PROBES = frozenset({"step", "loss"})
_ATTENTION_TAPS = frozenset({"attn_logits", "attn_weights", "attn_branch"})


class LayerRows:
    """Collects the probes of many runs and makes one long frame of them.

    ``plugin_probes`` says what the probes of plug-ins were tapped at.
    """

    def __init__(self, plugin_probes: Mapping[str, str]) -> None:
        taps = {**{name: probe.place for name, probe in PROBES.items()}, **plugin_probes}
        self._at_attention = {name for name, tap in taps.items() if tap in _ATTENTION_TAPS}
        self._at_attention |= {f"update_ratio_{role}" for role in ATTENTION_ROLES}
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
                self._sites.append(sites(len(values), n_layer, at_attention=name in self._at_attention))
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
def sites(length: int, n_layer: int, *, at_attention: bool) -> npt.NDArray[np.int64]:
    """Return the residual site (0..2·n_layer) each of ``length`` numbers belongs to.

    One number a block stands where that block ends, except what is about attention, which stands where attention
    ends; a single number (of the logits) stands at the end of the stream.
    """
    if length == 2 * n_layer + 1:
        return np.arange(length)
    if length == n_layer + 1:
        return 2 * np.arange(length)
    if length == n_layer:
        return 2 * np.arange(length) + (1 if at_attention else 2)
    return np.full(length, 2 * n_layer)
