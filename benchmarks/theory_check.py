"""Whether predictions and their bands hold on networks drawn at random: the long form of ``tests/theory``'s checks.

Every configuration is any init that theory predicts with any activation, norm placement, positions, text and sizes;
each is drawn a few times, every draw is seen through a batch of its own, and the table says, curve by curve and apart
for curves that a caveat names, how far the mean over draws is from the prediction, how many single draws lie inside
two bands, and the standard deviation of z = (draw - prediction) / band, which a band that holds makes 1.

    python benchmarks/theory_check.py --seed 1 --count 60 --store check.jsonl

Errors are relative, but for cosines and nats, and hold the noise of the draws they average. ``past`` counts the
configurations whose worst site is past theory's stated accuracy (``initlab.theory.validity.ACCURACY``): there should
be none without a caveat. ``--store`` keeps the measured draws, one configuration a line, and reads them back, so that
changed theory is judged anew in seconds. ``--first`` and ``--count`` cut the work into pieces.
"""

import argparse
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from theory_measured import measure_initlab, text

from initlab.activations.functions import ACTIVATIONS
from initlab.errors import InitlabError
from initlab.inits.catalogue import blueprint_for, in_order
from initlab.inits.draw import draw_all
from initlab.network.blueprint import Blueprint
from initlab.network.topology import SINUSOIDAL
from initlab.predictions.inputs import token_statistics
from initlab.spec.run import ModelSpec
from initlab.theory.from_laws import model_from_laws
from initlab.theory.prediction import Prediction, predict
from initlab.theory.tokens import TokenStatistics
from initlab.theory.validity import ACCURACY

CURVES = ("residual_ms", "attn_ms", "mlp_ms", "token_cosine", "grad_ms", "initial_loss", "logit_var")
ABSOLUTE = ("token_cosine", "initial_loss")
PARAMETERS = 3e7
"""Most weights of a configuration, so that one is drawn in a second or two."""
WORK = 6e9
"""Most weights times tokens of a batch."""


@dataclass(frozen=True)
class Configuration:
    """``model`` has the fields of a ModelSpec; ``text`` is uniform, zipf or a corpus; ``batch`` counts sequences."""

    init: str
    activation: str
    text: str
    batch: int
    model: dict[str, Any]
    number: int

    @cached_property
    def vocab(self) -> int:
        return int(self.model["vocab_size"] or text(self.text, 0).vocab)

    @property
    def blueprint(self) -> Blueprint:
        return blueprint_for(ModelSpec(**self.model), self.init, self.activation, self.vocab)

    @property
    def tokens(self) -> TokenStatistics:
        if self.text in ("uniform", "zipf"):
            return (TokenStatistics.zipf if self.text == "zipf" else TokenStatistics.uniform)(self.vocab)
        from initlab.data.corpora import load_corpus

        corpus = load_corpus(self.text, "byte" if self.text == "stdlib" else None)
        return token_statistics(corpus, self.vocab, self.model["block_size"])

    def prediction(self) -> Prediction:
        return predict(model_from_laws(self.blueprint, self.activation), self.tokens, batch=self.batch)

    def measured(self, draw: int) -> dict[str, list[float]]:
        """Draw the network and a batch, and look at one pass forward and back."""
        seed = 1000 * self.number + draw
        columns = self.model["block_size"] + 1
        batch = torch.from_numpy(text(self.text, self.vocab).sample(seed, self.batch, columns).astype(np.int64))
        found = measure_initlab(self.blueprint, self.activation, draw_all(self.blueprint, seed=seed), batch)
        return {name: found[name].tolist() for name in CURVES}


def configurations(seed: int, first: int, count: int) -> Iterator[Configuration]:
    """Yield the configurations numbered from ``first``, each from a generator of its own."""
    for number in range(first, first + count):
        rng = np.random.default_rng([seed, number])
        found = None
        while found is None:
            found = _attempt(rng, 100_000 * seed + number)
        yield found


def _attempt(rng: np.random.Generator, number: int) -> Configuration | None:
    """Return a configuration, None of what is too large or cannot be predicted."""

    def pick(*options: Any) -> Any:
        return options[int(rng.integers(len(options)))]

    heads, source = int(pick(1, 2, 3, 4, 5, 8, 12)), pick("uniform", "uniform", "zipf", "zipf", "zipf", "synthetic")
    model = {
        "n_layer": round(math.exp(rng.uniform(0, math.log(96)))),
        "n_head": heads,
        "n_embd": heads * 2 * round(math.exp(rng.uniform(math.log(64), math.log(640))) / heads / 2),
        "block_size": round(math.exp(rng.uniform(math.log(8), math.log(160)))),
        "vocab_size": None if source == "synthetic" else round(math.exp(rng.uniform(math.log(24), math.log(1000)))),
        "ffn_ratio": pick(1, 2, 4, 4, 8),
        "bias": pick(True, False),
        "tied": pick(None, True, False),
        "norm_at": pick(None, None, None, "pre", "post", "sandwich", "branch-out", "none"),
        "norm": pick(None, "layernorm", "rmsnorm"),
        "embed_norm": pick(None, None, None, True),
        "sub_norm": pick(None, None, None, True),
        "qk_norm": pick(None, None, True),
        "positions": pick(None, None, "learned", *SINUSOIDAL, "rotary", "relative", "none"),
        "parallel": pick(None, None, True),
        "gainless": pick(None, None, None, True),
        "softcap": pick(None, None, None, None, 5.0, 15.0, 30.0),
    }
    batch = int(pick(2, 4, 4, 12))
    weights = 4 * model["n_layer"] * model["n_embd"] ** 2 * (1 + model["ffn_ratio"] / 2)
    if weights > PARAMETERS or weights * batch * model["block_size"] > WORK or not 64 <= model["n_embd"] <= 640:
        return None
    activation = str(pick(*(name for name, _ in ACTIVATIONS.items())))
    found = Configuration(_init(rng), activation, source, batch, model, number)
    try:
        model_from_laws(found.blueprint, activation)
    except InitlabError:
        return None
    return found


def _init(rng: np.random.Generator) -> str:
    """Return an init's name, at times with another std than its own."""
    entries = in_order()
    name, entry = entries[int(rng.integers(len(entries)))]
    std = entry.parameters.get("std")
    if isinstance(std, float) and std > 0 and rng.random() < 0.4:
        return f"{name}:std={std * math.exp(rng.uniform(-1, 1.3)):.3g}"
    return name


@dataclass(frozen=True)
class Agreement:
    """One curve of one configuration: the errors of the mean over draws, and z of every draw and site."""

    flagged: bool
    errors: np.ndarray
    z: np.ndarray


def judge(prediction: Prediction, draws: Sequence[Mapping[str, list[float]]]) -> dict[str, Agreement]:
    """Compare a prediction with its draws; curves that are predicted to be silent, or that overflow, are left out."""
    found = {}
    for curve in CURVES:
        value = getattr(prediction, curve)
        expected, band = np.atleast_1d(np.array(value)), np.array(prediction.bands[curve])
        seen = np.array([draw[curve] for draw in draws])  # (draws, sites)
        known = np.isfinite(seen).all(0) & (band > 0)
        if not known.any():
            continue
        seen, expected, band = seen[:, known], expected[known], band[known]
        scale = 1.0 if curve in ABSOLUTE else expected
        flagged = any(curve in note.affects for note in prediction.validity)
        found[curve] = Agreement(flagged, np.abs(seen.mean(0) - expected) / scale, (seen - expected) / band)
    return found


def table(rows: list[tuple[Configuration, dict[str, Agreement]]]) -> Iterator[str]:
    """Yield the lines of the report."""
    widths = {
        "": -13,
        "caveat": -6,
        "cases": 5,
        "median": 8,
        "95%": 8,
        "worst": 8,
        "inside 2": 8,
        "sd z": 6,
        "past": 4,
    }
    yield " ".join(f"{head:{'<' if width < 0 else '>'}{abs(width)}}" for head, width in widths.items())
    for curve in CURVES:
        for flagged in (False, True):
            these = [row[curve] for _, row in rows if curve in row and row[curve].flagged == flagged]
            if these:
                yield _line(curve, flagged, these)
    z = [row.z.ravel() for _, curves in rows for row in curves.values() if not row.flagged]
    inside = np.mean(np.abs(np.concatenate(z)) <= 2)
    yield f"all curves without a caveat: {inside:.3f} of draws x sites inside two bands"


def _line(curve: str, flagged: bool, these: list[Agreement]) -> str:
    errors = np.concatenate([row.errors for row in these])
    z = np.concatenate([row.z.ravel() for row in these])
    past = sum(bool((row.errors > ACCURACY.get(curve, 0.2)).any()) for row in these)
    return (
        f"{curve:<13} {'yes' if flagged else 'no':<6} {len(these):>5} {np.median(errors):>8.4f} "
        f"{np.quantile(errors, 0.95):>8.4f} {errors.max():>8.3g} {np.mean(np.abs(z) <= 2):>8.3f} "
        f"{math.sqrt(np.mean(z**2)):>6.2f} {past:>4}"
    )


def worst(rows: list[tuple[Configuration, dict[str, Agreement]]]) -> Iterator[str]:
    """Yield the curves without a caveat that are past theory's stated accuracy."""
    for configuration, curves in rows:
        for curve, row in curves.items():
            if not row.flagged and (row.errors > ACCURACY.get(curve, 0.2)).any():
                yield f"{curve} off by {row.errors.max():.3g} at site {int(row.errors.argmax())}: {configuration}"


class Store:
    """Measured draws by configuration, in a file of JSON lines if there is one."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path and path.exists() else []
        self._kept = {row["configuration"]: row["draws"] for row in map(json.loads, lines)}

    def draws(self, configuration: Configuration, count: int) -> list[dict[str, list[float]]]:
        key = json.dumps(asdict(configuration), sort_keys=True)
        if len(self._kept.get(key, ())) < count:
            self._kept[key] = [configuration.measured(draw) for draw in range(count)]
            if self._path:
                with self._path.open("a") as file:
                    file.write(json.dumps({"configuration": key, "draws": self._kept[key]}) + "\n")
        kept: list[dict[str, list[float]]] = self._kept[key]
        return kept[:count]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    for name, default in (("seed", 1), ("first", 0), ("count", 60), ("draws", 8)):
        parser.add_argument(f"--{name}", type=int, default=default, help="default: %(default)s")
    parser.add_argument("--store", type=Path, help="a file that keeps what was measured")
    options = parser.parse_args()
    torch.set_num_threads(1)
    store, rows = Store(options.store), []
    for configuration in configurations(options.seed, options.first, options.count):
        draws = store.draws(configuration, options.draws)
        rows.append((configuration, judge(configuration.prediction(), draws)))
    print(*table(rows), *worst(rows), sep="\n")


if __name__ == "__main__":
    main()
