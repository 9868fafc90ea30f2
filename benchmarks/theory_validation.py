"""Whether theory predicts what a network does at step 0: initlab's own model, and nanoGPT's if a checkout is given.

Both get the same draws of the same laws; every number is the mean over seeds of one random batch each.

    python benchmarks/theory_validation.py --width 128 --depths 4,12 --seeds 8
    python benchmarks/theory_validation.py --nanogpt nanoGPT --width 384 --depths 4,12 --seeds 8 --untied

Errors are in percent, |predicted / mean over seeds - 1|, and include the seeds' own noise: ``z`` is the last site's
deviation over the predicted band / √seeds. A row passes when its stream's median error is at most 2% and every
site's at most max(5%, 3 bands/√seeds), branches' medians are at most 5% and layers 15%, cosines within .05, the
gradient's median within 5% and sites within 15%, the loss within .1 nats. Inits with large logits (LOOSE) may have
twice the error in the stream, and their gradient is reported and not judged. On a corpus, attention is to be within
10% in the first layer and 5% in the median of the rest.

``--store FILE`` keeps what was measured, a line a case, and reads it back: a changed theory is then judged anew in
seconds. Exit code 1 if a row fails.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import groupby, product
from pathlib import Path

import numpy as np
import torch
from nanogpt_parity import import_nanogpt
from theory_measured import Measure, Measured, measure_initlab, measure_nanogpt, text

from initlab.activations.functions import ACTIVATIONS
from initlab.inits.catalogue import resolve
from initlab.inits.draw import draw_all
from initlab.network.blueprint import Blueprint
from initlab.network.topology import Dims
from initlab.theory.from_laws import model_from_laws
from initlab.theory.prediction import Prediction, predict

INITS = "gpt2,depth-scaled,zero-residual,note-proj-0.02,note-inv-sqrt-depth,pytorch,xavier,mitchell,trunc-normal"
LOOSE = frozenset({"xavier", "mitchell", "trunc-normal"})
CURVES = ("residual_ms", "attn_ms", "mlp_ms", "token_cosine", "grad_ms")


@dataclass(frozen=True)
class Case:
    """One row; ``model`` is initlab or nanogpt, sizes and seeds are part of what was measured."""

    model: str
    init: str
    depth: int
    tied: bool
    activation: str
    text: str
    width: int
    length: int
    vocab: int
    batch: int
    first_seed: int
    seeds: int

    def __str__(self) -> str:
        tied = "tied" if self.tied else "untied"
        return f"{self.init:<20} {self.activation:<5} {self.text:<8} L={self.depth:<3} {tied:<6}"

    @property
    def key(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @property
    def blueprint(self) -> Blueprint:
        size = text(self.text, self.vocab).vocab
        return resolve(self.init).blueprint(
            Dims(
                n_layer=self.depth,
                n_head=max(self.width // 32, 1),
                n_embd=self.width,
                vocab_size=size,
                block_size=self.length,
                ffn_hidden=4 * self.width,
                tied=self.tied,
                gated=ACTIVATIONS.get(self.activation).gated,
            )
        )

    @property
    def prediction(self) -> Prediction:
        seeds = range(self.first_seed, self.first_seed + self.seeds)
        tokens = text(self.text, self.vocab).tokens(seeds, self.batch, self.length + 1)
        return predict(model_from_laws(self.blueprint, self.activation), tokens, batch=self.batch)


@dataclass(frozen=True)
class Row:
    """What came of one case: errors in percent by curve, the loss's in nats, and the checks that failed."""

    errors: dict[str, np.ndarray]
    z: float
    loss: float
    failed: list[str]


class Store:
    """Means over seeds by case, in a file of JSON lines if there is one."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path and path.exists() else []
        self._kept = {row["case"]: row["mean"] for row in map(json.loads, lines)}

    def __contains__(self, case: Case) -> bool:
        return case.key in self._kept

    def __getitem__(self, case: Case) -> Measured:
        return {name: np.array(values) for name, values in self._kept[case.key].items()}

    def keep(self, case: Case, runs: list[Measured]) -> None:
        mean = {name: np.mean([run[name] for run in runs], axis=0).tolist() for name in runs[0]}
        self._kept[case.key] = mean
        if self._path:
            with self._path.open("a") as file:
                file.write(json.dumps({"case": case.key, "mean": mean}) + "\n")


def measure(cases: list[Case], store: Store, model: Measure) -> None:
    """Measure cases that have one network in common: its weights are drawn once a seed for all of them."""
    missing = [case for case in cases if case not in store]
    runs: dict[Case, list[Measured]] = {case: [] for case in missing}
    for seed in range(cases[0].first_seed, cases[0].first_seed + cases[0].seeds) if missing else ():
        tensors = draw_all(missing[0].blueprint, seed=seed)
        for case in missing:
            source = text(case.text, case.vocab)
            batch = torch.from_numpy(source.sample(seed, case.batch, case.length + 1).astype(np.int64))
            runs[case].append(model(case.blueprint, case.activation, tensors, batch))
    for case, measured in runs.items():
        store.keep(case, measured)


def judge(case: Case, mean: Measured) -> Row:
    """Compare one case's prediction with what was measured."""
    predicted = case.prediction
    errors = {key: relative_error(np.array(getattr(predicted, key)), mean[key]) for key in CURVES}
    errors["token_cosine"] = 100 * np.abs(np.array(predicted.token_cosine) - mean["token_cosine"])
    bands = np.array(predicted.bands["residual_ms"]) / np.array(predicted.residual_ms) * 100 / math.sqrt(case.seeds)
    z = (mean["residual_ms"][-1] / predicted.residual_ms[-1] - 1) * 100 / bands[-1]
    loss = predicted.initial_loss - float(mean["initial_loss"][0])
    loose = 2 if case.init in LOOSE else 1
    stream, attn, slope = errors["residual_ms"], errors["attn_ms"], errors["grad_ms"]
    checks = {
        "stream": np.median(stream) <= 2 * loose and (stream <= loose * np.maximum(5, 3 * bands)).all(),
        "branches": all(np.median(errors[key]) <= 5 and errors[key].max() <= 15 for key in ("attn_ms", "mlp_ms")),
        "text": case.text in ("uniform", "zipf") or (attn[0] <= 10 and np.median(attn[1:]) <= 5),
        "cosine": errors["token_cosine"].max() <= 5,
        "gradient": case.init in LOOSE or (np.median(slope) <= 5 and slope.max() <= 15),
        "loss": abs(loss) <= 0.1,
    }
    return Row(errors, z, loss, [name for name, passes in checks.items() if not passes])


def relative_error(predicted: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return percent; a branch that is promised to be silent and is has none."""
    silent = (predicted == 0) & (mean == 0)
    error: np.ndarray = 100 * np.abs(predicted - mean) / np.where(silent, 1, mean)
    return error


def print_row(case: Case, row: Row) -> None:
    figures = " ".join(f"{np.median(row.errors[key]):5.1f}/{row.errors[key].max():5.1f}" for key in CURVES)
    notes = "; ".join(note.assumption for note in case.prediction.validity)
    print(f"{case} {figures} {row.z:6.1f} {row.loss:+8.4f}  {'FAIL ' + ', '.join(row.failed) if row.failed else 'ok'}"
          f"{'  (not: ' + notes + ')' if notes else ''}", flush=True)  # fmt: skip


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """Yield cases so that those of one network follow one another."""
    texts, inits, activations = (value.split(",") for value in (options.tokens, options.inits, options.activations))
    depths, ties = [int(depth) for depth in options.depths.split(",")], (True, False)[: 1 + options.untied]
    for depth, init, tied, activation, source in product(depths, inits, ties, activations, texts):
        yield Case("nanogpt" if options.nanogpt else "initlab", init, depth, tied, activation, source,
                   options.width, options.length, options.vocab, options.batch, options.first_seed,
                   options.seeds)  # fmt: skip


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--nanogpt", type=Path, help="a checkout: measure its model instead of initlab's")
    parser.add_argument("--inits", default=INITS, help="default: %(default)s")
    parser.add_argument("--activations", default="gelu,relu", help="default: %(default)s")
    parser.add_argument("--tokens", default="uniform", help="uniform, zipf or corpora (default: %(default)s)")
    parser.add_argument("--depths", default="4,12", help="default: %(default)s")
    parser.add_argument("--untied", action="store_true", help="untied heads too")
    for name, default in (("width", 128), ("length", 64), ("vocab", 256), ("batch", 4), ("seeds", 8)):
        parser.add_argument(f"--{name}", type=int, default=default, help="default: %(default)s")
    parser.add_argument("--first-seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--store", type=Path, help="a file that keeps what was measured")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    torch.set_num_threads(1)
    model: Measure = measure_initlab
    if options.nanogpt:
        model = partial(measure_nanogpt, import_nanogpt(options.nanogpt))
    print(f"{'':<50}" + " ".join(f"{name:>11}" for name in ("stream", "attn", "mlp", "cosine", "gradient")))
    print(f"{'median/max error, percent (cosines: 0.01)':<110} {'z':>6} {'loss':>8}")
    store, rows = Store(options.store), dict[Case, Row]()
    for _, members in groupby(cases(options), lambda case: (case.init, case.depth, case.tied)):
        together = list(members)
        measure(together, store, model)
        for case in together:
            rows[case] = judge(case, store[case])
            print_row(case, rows[case])
    failed = sum(bool(row.failed) for row in rows.values())
    losses = [abs(row.loss) for row in rows.values()]
    print(f"{failed} of {len(rows)} rows failed; the loss is off by {np.median(losses):.4f} nats in the median")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
