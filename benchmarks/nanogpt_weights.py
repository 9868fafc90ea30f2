"""Whether nanoGPT starts from what ``initlab weights --format nanogpt`` writes: the file loaded, logits compared.

The model is nanoGPT's own, imported from a checkout. It loads the file strictly, so every key of one side has one on
the other, and must then give the logits of initlab's own network of that init, multipliers where they belong.

    git clone https://github.com/karpathy/nanoGPT
    python benchmarks/nanogpt_weights.py nanoGPT

Exit code 0 when all logits agree, 1 when some do not, 2 when the checkout cannot be read.
"""

import argparse
import contextlib
import io
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from nanogpt_parity import import_nanogpt
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor
from torch.func import functional_call

from initlab.activations.functions import ACTIVATIONS
from initlab.checkpoints.build import Checkpoint, build_checkpoint
from initlab.checkpoints.resolution import CheckpointSpec
from initlab.checkpoints.write import write_checkpoint
from initlab.model.gpt import skeleton
from initlab.spec.run import ModelSpec

INITS = ("depth-scaled", "gpt2", "pytorch", "lsuv", "mimetic", "layernorm-scaling", "spike-no-more", "completep")
"""Plain, with biases, calibrated, drawn jointly, and with every multiplier that folds."""

VOCABULARY = 50257
LIMIT = {"float64": 1e-12, "float32": 2e-5}
"""Largest difference of 13 million logits, over their rms: sums of four layers in two orders, rounded at 1e-16 or
6e-8. In float32, attention that starts sharp (mimetic's) comes nearest."""


@dataclass(frozen=True)
class Comparison:
    """Largest difference of a logit over their rms, by the file's type, for one init and one choice of biases."""

    init: str
    bias: bool
    differences: dict[str, float]

    @property
    def passes(self) -> bool:
        return all(found <= LIMIT[dtype] for dtype, found in self.differences.items())  # a NaN fails


def nanogpt_from(nanogpt: ModuleType, path: Path) -> Any:
    """Return nanoGPT's model, configured as the file says and holding what it holds."""
    with safe_open(path, framework="pt") as file:
        config = json.loads(file.metadata()["initlab"])["config"]
    with contextlib.redirect_stdout(io.StringIO()):
        model = nanogpt.GPT(nanogpt.GPTConfig(**config, dropout=0.0))
    tensors = load_file(path)
    model = model.to(tensors["lm_head.weight"].dtype)
    model.load_state_dict(tensors)
    return model


def own_logits(model: ModelSpec, init: str, dtype: str, tokens: Tensor) -> Tensor:
    """Return the logits of initlab's network, from its own tensors and multipliers."""
    own: Checkpoint = build_checkpoint(
        CheckpointSpec(format="initlab", model=model, init=init, vocab_size=VOCABULARY, dtype=dtype)
    )
    tensors, blueprint = own.contents.tensors, own.blueprint
    effective = {slot.name: tensors[slot.name] * law.mult for slot, law in blueprint.laws}
    network = skeleton(blueprint.network, ACTIVATIONS.get("gelu").function)
    with torch.no_grad():
        logits: Tensor = functional_call(network, effective, (tokens,))[0]
    return logits


def compare(nanogpt: ModuleType, init: str, bias: bool, folder: Path) -> Comparison:
    model = ModelSpec(n_layer=4, n_head=4, n_embd=128, block_size=64, bias=bias)
    tokens = torch.randint(VOCABULARY, (4, 64), generator=torch.Generator().manual_seed(0))
    differences = {}
    for dtype in LIMIT:
        path = folder / f"{init}-{bias}-{dtype}.safetensors"
        write_checkpoint(
            path,
            build_checkpoint(
                CheckpointSpec(format="nanogpt", model=model, init=init, vocab_size=VOCABULARY, dtype=dtype)
            ),
        )
        with torch.no_grad():
            found = nanogpt_from(nanogpt, path)(tokens, tokens)[0]  # without targets: the last token's logits alone
        expected = own_logits(model, init, dtype, tokens)
        differences[dtype] = float((found - expected).abs().max() / expected.square().mean().sqrt())
    return Comparison(init, bias, differences)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("checkout", type=Path, help="a folder with nanoGPT's model.py")
    parser.add_argument("--inits", default=",".join(INITS), help="default: %(default)s")
    options = parser.parse_args()
    try:
        nanogpt = import_nanogpt(options.checkout)
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    passed = True
    print("largest difference of a logit, over their rms")
    print(f"{'init':<20} {'bias':<5}", *(f"{dtype} (limit {limit:.0e})" for dtype, limit in LIMIT.items()))
    with tempfile.TemporaryDirectory() as folder:
        for init in options.inits.split(","):
            for bias in (False, True):
                result = compare(nanogpt, init, bias, Path(folder))
                print(
                    f"{init:<20} {'on' if bias else 'off':<5}", *(f"{x:<21.2e}" for x in result.differences.values())
                )
                passed = passed and result.passes
    print("PASS" if passed else "FAIL")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
