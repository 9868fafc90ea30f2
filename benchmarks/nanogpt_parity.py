"""Whether initlab trains nanoGPT: the same weights and batches through both, loss by loss.

nanoGPT's model, initial weights and optimizer are its own, imported from a checkout; its training loop is a script,
so the few lines of it that matter (schedule, clipping, order) are written here anew.

    git clone https://github.com/karpathy/nanoGPT
    python benchmarks/nanogpt_parity.py nanoGPT --steps 50

Exit code 0 when every loss agrees, 1 when one does not, 2 when the checkout or the corpus cannot be read.
"""

import argparse
import contextlib
import importlib.util
import io
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from initlab.activations.functions import ACTIVATIONS
from initlab.data.batches import draw_batch
from initlab.data.corpora import load_corpus
from initlab.data.corpus import Corpus
from initlab.engine.group import Group
from initlab.errors import InitlabError
from initlab.machine.execution import Execution, MatmulPrecision
from initlab.model.gpt import skeleton
from initlab.network.slot_table import plain_network
from initlab.spec.run import DataSpec, ModelSpec, RunSpec, TrainSpec

LOSS_LIMIT = 1e-4
"""Largest relative difference of a loss. float32 starts at 1e-7, and every update may amplify it."""

LOGIT_LIMIT = 1e-5
"""Largest difference of a logit at step 0, over the rms of the logits."""

NANOGPT_BLOCK = {
    "attn.norm": "ln_1",
    "attn_out": "attn.c_proj",
    "ffn.norm": "ln_2",
    "ffn_up": "mlp.c_fc",
    "ffn_down": "mlp.c_proj",
}
NANOGPT_OUTSIDE = {
    "token_embedding": "transformer.wte",
    "position_embedding": "transformer.wpe",
    "final_norm": "transformer.ln_f",
}
QKV = ("query", "key", "value")


@dataclass(frozen=True)
class Comparison:
    """What both sides came to; losses are those before each update, and one after the last."""

    logit_difference: float
    nanogpt: list[float]
    initlab: list[float]

    @property
    def differences(self) -> list[float]:
        return [abs(ours - theirs) / theirs for ours, theirs in zip(self.initlab, self.nanogpt, strict=True)]

    @property
    def passes(self) -> bool:
        # Written so that a NaN fails.
        return self.logit_difference <= LOGIT_LIMIT and all(value <= LOSS_LIMIT for value in self.differences)


def import_nanogpt(checkout: Path) -> ModuleType:
    """Import model.py of a checkout under a name of its own."""
    path = checkout / "model.py"
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: is {checkout} a checkout of nanoGPT?")
    spec = importlib.util.spec_from_file_location("nanogpt_model", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


def nanogpt_model(nanogpt: ModuleType, spec: RunSpec, vocab_size: int) -> Any:
    """Return nanoGPT's model with the weights it gives itself."""
    torch.manual_seed(spec.seed)
    model = spec.model
    with contextlib.redirect_stdout(io.StringIO()):
        return nanogpt.GPT(
            nanogpt.GPTConfig(
                block_size=model.block_size,
                vocab_size=vocab_size,
                n_layer=model.n_layer,
                n_head=model.n_head,
                n_embd=model.n_embd,
                dropout=model.dropout,
                bias=model.bias,
            )
        )


def slot_value(name: str, state: dict[str, Tensor]) -> Tensor:
    """Return the part of nanoGPT's state that a slot holds: q, k and v are a third of c_attn's rows each."""
    *path, kind = name.split(".")
    if path[0] != "blocks":
        return state[f"{NANOGPT_OUTSIDE[path[0]]}.{kind}"]
    block = f"transformer.h.{path[1]}"
    if path[2] in QKV:
        return state[f"{block}.attn.c_attn.{kind}"].chunk(3)[QKV.index(path[2])]
    return state[f"{block}.{NANOGPT_BLOCK['.'.join(path[2:])]}.{kind}"]


def start_from(group: Group, state: dict[str, Tensor]) -> None:
    """Put nanoGPT's weights in place of the engine's draw, in the memory that its optimizer updates."""
    for name, stacked in group._parameters.items():
        stacked[0].copy_(slot_value(name, state))


def nanogpt_lr(step: int, train: TrainSpec) -> float:
    """nanoGPT's schedule: a linear ramp that never is zero, then a cosine from the peak to a tenth of it."""
    peak, floor = train.lr, train.lr / 10
    if step < train.warmup:
        return peak / (train.warmup + 1) * (step + 1)
    angle = math.pi * min(1.0, (step - train.warmup) / max(1, train.steps - train.warmup))
    return floor + (peak - floor) * (1 + math.cos(angle)) / 2


def train_nanogpt(model: Any, spec: RunSpec, corpus: Corpus) -> list[float]:
    """Train with nanoGPT's own optimizer and return its losses."""
    train = spec.train
    with contextlib.redirect_stdout(io.StringIO()):
        optimizer = model.configure_optimizers(train.weight_decay, train.lr, (train.beta1, train.beta2), "cpu")
    losses = []
    for step in range(train.steps + 1):
        _, loss = model(*batch(spec, corpus, step))
        losses.append(float(loss.detach()))
        for settings in optimizer.param_groups:
            settings["lr"] = nanogpt_lr(step, train)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), train.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return losses


def batch(spec: RunSpec, corpus: Corpus, step: int) -> tuple[Tensor, Tensor]:
    tokens, targets = draw_batch(
        corpus.train,
        block_size=spec.model.block_size,
        batch_size=spec.train.batch_size,
        seed=spec.data_seed,
        split="train",
        step=step,
    )
    return torch.from_numpy(tokens), torch.from_numpy(targets)


def compare(nanogpt: ModuleType, spec: RunSpec, corpus: Corpus, precision: MatmulPrecision = "highest") -> Comparison:
    """Run both from nanoGPT's initial weights."""
    group = Group([spec], [corpus], Execution("cpu", precision))
    theirs = nanogpt_model(nanogpt, spec, group.dims.vocab_size)
    start_from(group, theirs.state_dict())
    return Comparison(
        logit_difference(group, theirs, spec, corpus),
        train_nanogpt(theirs, spec, corpus),
        [record.row["train_loss"] for record in group.run() if record.kind == "metrics"],
    )


def logit_difference(group: Group, theirs: Any, spec: RunSpec, corpus: Corpus) -> float:
    """Return the largest difference of a logit on batch 0, over the rms of the logits."""
    tokens, targets = batch(spec, corpus, 0)
    ours = skeleton(plain_network(group.dims), ACTIVATIONS.get(spec.activation).function)
    weights = {name: stacked[0] for name, stacked in group._parameters.items()}
    with torch.no_grad():
        logits, _ = functional_call(ours, weights, (tokens,))
        expected, _ = theirs(tokens, targets)  # without targets it returns the last token's alone
    return float((logits - expected).abs().max() / expected.square().mean().sqrt())


def print_table(result: Comparison, every: int) -> None:
    print(f"{'step':>6}  {'nanoGPT':>10}  {'initlab':>10}  {'relative difference':>19}")
    last = len(result.nanogpt) - 1
    rows = zip(result.nanogpt, result.initlab, result.differences, strict=True)
    for step, (theirs, ours, difference) in enumerate(rows):
        if step % every == 0 or step == last:
            print(f"{step:>6}  {theirs:>10.6f}  {ours:>10.6f}  {difference:>19.2e}")
    print(f"logits at step 0: largest difference {result.logit_difference:.2e} of their rms, limit {LOGIT_LIMIT:.0e}")
    print(f"losses: largest relative difference {max(result.differences):.2e}, limit {LOSS_LIMIT:.0e}")
    print("PASS" if result.passes else "FAIL")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("checkout", type=Path, help="a folder with nanoGPT's model.py")
    parser.add_argument("--steps", type=int, default=50, help="updates (default: %(default)s)")
    parser.add_argument("--every", type=int, default=5, help="steps between rows (default: %(default)s)")
    parser.add_argument("--corpus", default="synthetic", help="as initlab takes it (default: %(default)s)")
    parser.add_argument("--tokenizer", default=None, help="byte or char, for text")
    parser.add_argument("--bias", choices=["both", "on", "off"], default="both", help="biases (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of nanoGPT's weights and of the batches")
    parser.add_argument("--matmul-precision", choices=["highest", "medium"], default="highest", help="of our side")
    return parser.parse_args()


def specs(options: argparse.Namespace) -> list[RunSpec]:
    """Return nanoGPT's CPU recipe, 4 layers of width 128, with the biases asked for."""
    train = TrainSpec(
        steps=options.steps,
        batch_size=12,
        lr=1e-3,
        warmup=10,
        beta2=0.99,
        clip=1.0,
        eval_batches=1,
        eval_interval=10**9,
    )
    data = DataSpec(corpus=options.corpus, tokenizer=options.tokenizer)
    biases = {"both": [False, True], "on": [True], "off": [False]}[options.bias]
    return [
        RunSpec(
            model=ModelSpec(n_layer=4, n_head=4, n_embd=128, block_size=64, bias=bias),
            data=data,
            train=train,
            seed=options.seed,
        )
        for bias in biases
    ]


def main() -> int:
    options = arguments()
    try:
        nanogpt = import_nanogpt(options.checkout)
        corpus = load_corpus(options.corpus, options.tokenizer)
        chosen = specs(options)
    except (OSError, ValueError, InitlabError) as error:
        print(error, file=sys.stderr)
        return 2
    passed = True
    for spec in chosen:
        print(f"\nbias {'on' if spec.model.bias else 'off'}, {corpus.describe()}")
        result = compare(nanogpt, spec, corpus, options.matmul_precision)
        print_table(result, max(1, options.every))
        passed = passed and result.passes
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
