"""One network, activation and text to predict, and the public document of its prediction.

>>> case = Case(blueprint, "gelu", Tokens.uniform(50257), "uniform")
>>> document(case, case.predict())["growth"]
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from initlab.data.corpus import Corpus
from initlab.files.json import SCHEMA_VERSION, content_hash
from initlab.network.blueprint import Blueprint
from initlab.theory.from_laws import read
from initlab.theory.growth import Growth, fit
from initlab.theory.prediction import Prediction, predict, summary
from initlab.theory.tokens import Tokens
from initlab.theory.first_update import update_ratios

Method: TypeAlias = Literal["per position", "closed form"]

SITE_CURVES = ("residual_ms", "residual_var", "token_cosine", "grad_ms")
BRANCH_CURVES = ("attn_ms", "mlp_ms")
NUMBERS = ("logit_var", "initial_loss")


@dataclass(frozen=True)
class Case:
    """What a prediction is of. ``text`` names the tokens; a batch has ``batch`` sequences of the model's context."""

    blueprint: Blueprint
    activation: str
    tokens: Tokens
    text: str
    batch: int = 1

    @property
    def key(self) -> str:
        """Hash of everything the prediction depends on."""
        return content_hash(
            {
                "laws": self.blueprint.digest,
                "dims": asdict(self.blueprint.dims),
                "activation": self.activation,
                "tokens": asdict(self.tokens),
                "batch": self.batch,
            }
        )

    def predict(self, method: Method = "per position", *, backward: bool = True) -> Prediction:
        """Return the prediction; raises Unpredictable. The closed form has no gradients, and costs a tenth."""
        setup = read(self.blueprint, self.activation)
        if method == "closed form":
            return summary(setup, self.tokens, batch=self.batch)
        return predict(setup, self.tokens, batch=self.batch, backward=backward)


@lru_cache(maxsize=32)
def tokens_of(corpus: Corpus, vocab_size: int, longest: int) -> Tokens:
    """Count a corpus's training part, lags up to ``longest``, for a model of ``vocab_size`` tokens."""
    return Tokens.of(corpus.train, max(vocab_size, corpus.vocab_size), longest)


def document(
    case: Case, found: Prediction, method: Method = "per position", lr: float | None = None
) -> dict[str, Any]:
    """Return the public JSON document of a prediction.

    ``residual_ms`` and ``token_cosine`` have one value after the embedding and one after each block; ``sites`` has
    every curve of the stream at its 2L + 1 sites. ``bands`` are standard deviations of one draw seen through one
    batch, at the sites where the curve has them. ``update_ratios`` are ranges over the layers of each matrix role.
    """
    law = growth_law(found.residual_ms[::2])
    return {
        "schema_version": SCHEMA_VERSION,
        "init": case.blueprint.init,
        "activation": case.activation,
        "dims": asdict(case.blueprint.dims),
        "tokens": {"text": case.text, "collision": case.tokens.collision, "batch": case.batch},
        "method": method,
        "residual_ms": list(found.residual_ms[::2]),
        "attn_ms": list(found.attn_ms),
        "mlp_ms": list(found.mlp_ms),
        "token_cosine": list(found.token_cosine[::2]),
        "growth": found.growth,
        "initial_loss": found.initial_loss,
        "logit_var": found.logit_var,
        "attn_logit_std": list(found.attn_logit_std),
        "growth_law": None if law is None else asdict(law),
        "sites": {name: _listed(getattr(found, name)) for name in SITE_CURVES},
        "bands": {name: list(band) for name, band in found.bands.items()},
        "validity": [asdict(note) for note in found.validity],
        "update_ratios": None if lr is None else _ranges(case.blueprint, lr),
        "lr": lr,
    }


def growth_law(blocks: Sequence[float]) -> Growth | None:
    """Return the law that a curve after the embedding and each block follows; None of fewer than three values, or of
    values that are no second moments."""
    if len(blocks) < 3 or not all(math.isfinite(value) and value > 0 for value in blocks):
        return None
    return fit(blocks)


def _listed(curve: Sequence[float] | None) -> list[float] | None:
    return None if curve is None else list(curve)


def _ranges(blueprint: Blueprint, lr: float) -> dict[str, dict[str, float]]:
    """Return the least and the greatest update-to-weight ratio of each role of weights."""
    ratios, found = update_ratios(blueprint, lr), dict[str, list[float]]()
    for slot, _ in blueprint.laws:
        if slot.is_weight:
            found.setdefault(slot.role, []).append(ratios[slot.name])
    return {role: {"least": min(values), "most": max(values)} for role, values in found.items()}
