"""Whether theory predicts what a network does at step 0: initlab's own model, and nanoGPT's if a checkout is given.

Both get the same draws of the same laws; every number is the mean over seeds of one random batch each.

    python benchmarks/theory_validation.py --width 128 --depths 4,12 --seeds 8
    python benchmarks/theory_validation.py --nanogpt nanoGPT --width 384 --depths 4,12,24,48 --seeds 16

Errors are in percent, |predicted / mean over seeds - 1|, and include the seeds' own noise: ``z`` is the last site's
deviation over the predicted band / √seeds. A row passes when its stream's median error is at most 2% and every
site's at most max(5%, 3 bands/√seeds), branches' medians are at most 5% and layers 15%, cosines within .05, the
gradient's median within 5% and sites within 15%, the loss within .1 nats. The stream and the gradient's sites of
inits with large logits (LOOSE) get twice that.
Exit code 1 if a row fails.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nanogpt_parity import import_nanogpt, nanogpt_model, slot_value
from torch import Tensor, nn
from torch.func import functional_call

from initlab.activations import ACTIVATIONS
from initlab.blueprint import Blueprint
from initlab.data.load import load_corpus
from initlab.inits.catalogue import resolve
from initlab.inits.draw import draw_all
from initlab.laws import Dims
from initlab.model import skeleton
from initlab.probes.reductions import channel_variance, second_moment, token_cosine
from initlab.spec import ModelSpec, RunSpec
from initlab.theory.prediction import Prediction, predict
from initlab.theory.read import read
from initlab.theory.tokens import Tokens

INITS = "gpt2,depth-scaled,zero-residual,note-proj-0.02,note-inv-sqrt-depth,pytorch,xavier,mitchell,trunc-normal"
LOOSE = frozenset({"xavier", "mitchell", "trunc-normal"})
CURVES = ("residual_ms", "attn_ms", "mlp_ms", "token_cosine", "grad_ms")

Measured = dict[str, np.ndarray]


@dataclass
class Seen:
    """What one forward and backward pass showed; ``sites`` are the stream's tensors, which keep their gradients."""

    sites: list[Tensor] = field(default_factory=list)
    attn: list[float] = field(default_factory=list)
    mlp: list[float] = field(default_factory=list)

    def site(self, x: Tensor) -> Tensor:
        x.retain_grad()
        self.sites.append(x)
        return x

    def measured(self, logits: Tensor, loss: Tensor) -> Measured:
        torch.autograd.backward(loss)
        sites = [x.detach() for x in self.sites]
        return {
            "residual_ms": np.array([float(second_moment(x)) for x in sites]),
            "token_cosine": np.array([float(token_cosine(x)) for x in sites]),
            "grad_ms": np.array([float(x.grad.double().square().mean()) for x in self.sites if x.grad is not None]),
            "attn_ms": np.array(self.attn),
            "mlp_ms": np.array(self.mlp),
            "logit_var": np.array([float(channel_variance(logits.detach()))]),
            "initial_loss": np.array([float(loss.detach())]),
        }


def measure_initlab(blueprint: Blueprint, activation: str, tensors: dict[str, Tensor], batch: Tensor) -> Measured:
    """Run initlab's model on (B, T + 1) tokens."""
    seen, logits = Seen(), []
    branches = {"attn_branch": seen.attn, "mlp_branch": seen.mlp}

    def tap(place: str, x: Tensor) -> Tensor:
        if place in branches:
            branches[place].append(float(second_moment(x.detach())))
        if place == "logits":
            logits.append(x)
        return seen.site(x) if place == "residual" else x

    model = skeleton(blueprint.network, ACTIVATIONS.get(activation).function)
    leaves = {slot.name: (tensors[slot.name] * law.mult).requires_grad_() for slot, law in blueprint.laws}
    _, loss = functional_call(model, leaves, (batch[:, :-1], batch[:, 1:]), {"tap": tap})
    return seen.measured(logits[0], loss)


def measure_nanogpt(
    nanogpt: Any, blueprint: Blueprint, activation: str, tensors: dict[str, Tensor], batch: Tensor
) -> Measured:
    """Run nanoGPT's model with the same weights, its stream seen where norms read it."""
    dims = blueprint.dims
    spec = RunSpec(model=ModelSpec(n_layer=dims.n_layer, n_head=dims.n_head, n_embd=dims.n_embd,
                                   block_size=dims.block_size, bias=dims.bias))  # fmt: skip
    model = nanogpt_model(nanogpt, spec, dims.vocab_size)
    with torch.no_grad():
        state = model.state_dict()
        for name, tensor in tensors.items():
            slot_value(name, state).copy_(tensor)
    seen = Seen()

    def keep(module: object, args: tuple[Tensor]) -> None:
        seen.site(args[0])

    def write(values: list[float]) -> Callable[[object, object, Tensor], None]:
        return lambda module, args, out: values.append(float(second_moment(out.detach())))

    for block in model.transformer.h:
        block.mlp.gelu = Pointwise(activation)
        block.ln_1.register_forward_pre_hook(keep)
        block.ln_2.register_forward_pre_hook(keep)
        block.attn.register_forward_hook(write(seen.attn))
        block.mlp.register_forward_hook(write(seen.mlp))
    model.transformer.ln_f.register_forward_pre_hook(keep)
    return seen.measured(*model(batch[:, :-1].contiguous(), batch[:, 1:].contiguous()))


class Pointwise(nn.Module):
    """An activation of initlab's as a module, to put in place of nanoGPT's own."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.function = ACTIVATIONS.get(name).function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


@dataclass(frozen=True)
class Text:
    """Where batches come from, and what theory is told of it; ``sample(seed, rows, columns)`` returns token ids."""

    tokens: Tokens
    sample: Callable[[int, int, int], np.ndarray]


def text(name: str, vocab: int, longest: int) -> Text:
    """Return uniform or Zipf tokens drawn independently, or a corpus."""
    if name in ("uniform", "zipf"):
        weight = np.arange(1, vocab + 1, dtype=np.float64) ** -(name == "zipf")
        law = weight / weight.sum()
        tokens = Tokens.zipf(vocab) if name == "zipf" else Tokens.uniform(vocab)
        return Text(tokens, lambda seed, rows, columns: generator(seed).choice(vocab, (rows, columns), p=law))
    corpus = load_corpus(name, "byte" if name == "stdlib" else None)

    def windows(seed: int, rows: int, columns: int) -> np.ndarray:
        starts = generator(seed).integers(0, len(corpus.train) - columns, rows)
        return np.stack([np.asarray(corpus.train[start : start + columns]) for start in starts])

    return Text(Tokens.of(corpus.train, corpus.vocab_size, longest), windows)


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng([7, seed])


@dataclass(frozen=True)
class Case:
    init: str
    activation: str
    text: str
    depth: int
    tied: bool

    def __str__(self) -> str:
        tied = "tied" if self.tied else "untied"
        return f"{self.init:<20} {self.activation:<5} {self.text:<8} L={self.depth:<3} {tied:<6}"


def run(case: Case, options: argparse.Namespace, model: Callable[..., Measured]) -> bool:
    """Measure one case, print its row, return whether it passes."""
    source = text(case.text, options.vocab, options.length)
    dims = Dims(n_layer=case.depth, n_head=max(options.width // 32, 1), n_embd=options.width,
                vocab_size=source.tokens.vocab_size, block_size=options.length,
                ffn_hidden=4 * options.width, tied=case.tied,
                gated=ACTIVATIONS.get(case.activation).gated)  # fmt: skip
    blueprint = resolve(case.init).blueprint(dims)
    setup = read(blueprint, case.activation)
    predicted = predict(setup, source.tokens, batch=options.batch)
    runs = []
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        batch = torch.from_numpy(source.sample(seed, options.batch, options.length + 1).astype(np.int64))
        runs.append(model(blueprint, case.activation, draw_all(blueprint, seed=seed), batch))
    mean = {key: np.mean([run[key] for run in runs], axis=0) for key in runs[0]}
    return print_row(case, predicted, mean, options.seeds)


def print_row(case: Case, predicted: Prediction, mean: Measured, seeds: int) -> bool:
    error = {key: relative_error(np.array(getattr(predicted, key)), mean[key]) for key in CURVES}
    error["token_cosine"] = 100 * np.abs(np.array(predicted.token_cosine) - mean["token_cosine"])
    bands = np.array(predicted.bands["residual_ms"]) / np.array(predicted.residual_ms) * 100 / math.sqrt(seeds)
    z = (mean["residual_ms"][-1] / predicted.residual_ms[-1] - 1) * 100 / bands[-1]
    loss = predicted.initial_loss - float(mean["initial_loss"][0])
    loose = 2 if case.init in LOOSE else 1
    within = (error["residual_ms"] <= loose * np.maximum(5, 3 * bands)).all()
    checks = {
        "stream": np.median(error["residual_ms"]) <= 2 * loose and within,
        "branches": all(np.median(error[key]) <= 5 and error[key].max() <= 15 for key in ("attn_ms", "mlp_ms")),
        "cosine": error["token_cosine"].max() <= 5,
        "gradient": np.median(error["grad_ms"]) <= 5 and error["grad_ms"].max() <= 15 * loose,
        "loss": abs(loss) <= 0.1,
    }
    failed = [name for name, passes in checks.items() if not passes]
    figures = " ".join(f"{np.median(error[key]):5.1f}/{error[key].max():5.1f}" for key in CURVES)
    notes = "; ".join(note.assumption for note in predicted.validity)
    print(f"{case} {figures} {z:6.1f} {loss:+8.4f}  {'ok' if not failed else 'FAIL ' + ', '.join(failed)}"
          f"{'  (not: ' + notes + ')' if notes else ''}", flush=True)  # fmt: skip
    return not failed


def relative_error(predicted: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return percent; a branch that is promised to be silent and is has none."""
    silent = (predicted == 0) & (mean == 0)
    error: np.ndarray = 100 * np.abs(predicted - mean) / np.where(silent, 1, mean)
    return error


def cases(options: argparse.Namespace) -> Iterator[Case]:
    texts, inits, activations = (value.split(",") for value in (options.tokens, options.inits, options.activations))
    depths = [int(depth) for depth in options.depths.split(",")]
    for depth, source, activation, init in product(depths, texts, activations, inits):
        yield Case(init, activation, source, depth, True)
        if not options.nanogpt and options.untied:
            yield Case(init, activation, source, depth, False)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--nanogpt", type=Path, help="a checkout: measure its model instead of initlab's (tied only)")
    parser.add_argument("--inits", default=INITS, help="default: %(default)s")
    parser.add_argument("--activations", default="gelu,relu", help="default: %(default)s")
    parser.add_argument("--tokens", default="uniform", help="uniform, zipf or corpora (default: %(default)s)")
    parser.add_argument("--depths", default="4,12", help="default: %(default)s")
    parser.add_argument("--untied", action="store_true", help="untied heads too")
    for name, default in (("width", 128), ("length", 64), ("vocab", 256), ("batch", 4), ("seeds", 8)):
        parser.add_argument(f"--{name}", type=int, default=default, help="default: %(default)s")
    parser.add_argument("--first-seed", type=int, default=0, help="default: %(default)s")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    torch.set_num_threads(1)
    model: Callable[..., Measured] = measure_initlab
    if options.nanogpt:
        nanogpt = import_nanogpt(options.nanogpt)
        model = lambda *args: measure_nanogpt(nanogpt, *args)  # noqa: E731
    print(f"{'':<50}" + " ".join(f"{name:>11}" for name in ("stream", "attn", "mlp", "cosine", "gradient")))
    print(f"{'median/max error, percent (cosines: 0.01)':<110} {'z':>6} {'loss':>8}")
    failed = [str(case) for case in cases(options) if not run(case, options, model)]
    print(f"{len(failed)} rows failed" if failed else "every row passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
