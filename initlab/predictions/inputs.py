"""One network, activation and text to predict, and the public document of its prediction.

>>> inputs = PredictionInput(blueprint, "gelu", TokenStatistics.uniform(50257), "uniform")
>>> document(inputs, inputs.predict())["growth"]
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from initlab.data.corpus import Corpus
from initlab.files.json import SCHEMA_VERSION, content_hash
from initlab.network.blueprint import Blueprint
from initlab.theory.first_update import update_ratios
from initlab.theory.from_laws import model_from_laws
from initlab.theory.growth import Growth, fit
from initlab.theory.prediction import Prediction, predict, summary
from initlab.theory.tokens import TokenStatistics

Method: TypeAlias = Literal["per position", "closed form"]

SITE_CURVES = ("residual_ms", "residual_var", "token_cosine", "grad_ms")
BRANCH_CURVES = ("attn_ms", "mlp_ms")
NUMBERS = ("logit_var", "initial_loss")


@dataclass(frozen=True)
class PredictionInput:
    """What a prediction is of. ``text`` names the tokens; a batch has ``batch`` sequences of the model's context."""

    blueprint: Blueprint
    activation: str
    tokens: TokenStatistics
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
        model = model_from_laws(self.blueprint, self.activation)
        if method == "closed form":
            return summary(model, self.tokens, batch=self.batch)
        return predict(model, self.tokens, batch=self.batch, backward=backward)


@lru_cache(maxsize=32)
def token_statistics(corpus: Corpus, vocab_size: int, longest: int) -> TokenStatistics:
    """Count a corpus's training part, lags up to ``longest``, for a model of ``vocab_size`` tokens."""
    return TokenStatistics.from_ids(corpus.train, max(vocab_size, corpus.vocab_size), longest)


def document(
    inputs: PredictionInput, prediction: Prediction, method: Method = "per position", lr: float | None = None
) -> dict[str, Any]:
    """Return the public JSON document of a prediction.

    ``residual_ms`` and ``token_cosine`` have one value after the embedding and one after each block; ``sites`` has
    every curve of the stream at its 2L + 1 sites. ``bands`` are standard deviations of one draw seen through one
    batch, at the sites where the curve has them, in the curve's unit. ``initial_loss`` is nats per token, all else
    but cosines and logits a second moment. ``update_ratios`` are ranges over the layers of each matrix role, of
    |update| over rms(weights) in Adam's first step; None without a learning rate.
    """
    law = growth_law(prediction.residual_ms[::2])
    return {
        "schema_version": SCHEMA_VERSION,
        "init": inputs.blueprint.init,
        "activation": inputs.activation,
        "dims": asdict(inputs.blueprint.dims),
        "tokens": {"text": inputs.text, "collision": inputs.tokens.collision, "batch": inputs.batch},
        "method": method,
        "residual_ms": list(prediction.residual_ms[::2]),
        "attn_ms": list(prediction.attn_ms),
        "mlp_ms": list(prediction.mlp_ms),
        "token_cosine": list(prediction.token_cosine[::2]),
        "growth": prediction.growth,
        "initial_loss": prediction.initial_loss,
        "logit_var": prediction.logit_var,
        "attn_logit_std": list(prediction.attn_logit_std),
        "growth_law": None if law is None else asdict(law),
        "sites": {name: _listed(getattr(prediction, name)) for name in SITE_CURVES},
        "bands": {name: list(band) for name, band in prediction.bands.items()},
        "validity": [asdict(note) for note in prediction.validity],
        "update_ratios": None if lr is None else _ranges(inputs.blueprint, lr),
        "lr": lr,
    }


def growth_law(blocks: Sequence[float]) -> Growth | None:
    """Return the law that a curve after the embedding and each block, shape (L + 1,), follows.

    None of fewer than three values, or of values that are not positive and finite.
    """
    if len(blocks) < 3 or not all(math.isfinite(value) and value > 0 for value in blocks):
        return None
    return fit(blocks)


def _listed(curve: Sequence[float] | None) -> list[float] | None:
    return None if curve is None else list(curve)


def _ranges(blueprint: Blueprint, lr: float) -> dict[str, dict[str, float]]:
    """Return the least and the greatest update-to-weight ratio of each role of weights."""
    ratios, by_role = update_ratios(blueprint, lr), dict[str, list[float]]()
    for slot, _ in blueprint.laws:
        if slot.is_weight:
            by_role.setdefault(slot.role, []).append(ratios[slot.name])
    return {role: {"least": min(values), "most": max(values)} for role, values in by_role.items()}
