"""Predictions to test with."""

from initlab.inits.catalogue import blueprint_for
from initlab.predictions.inputs import PredictionInput
from initlab.spec.run import ModelSpec, with_sizes
from initlab.theory.tokens import TokenStatistics

VOCAB = 64


def case(init: str = "gpt2", activation: str = "gelu", batch: int = 4, **sizes: int) -> PredictionInput:
    model = with_sizes(ModelSpec(n_layer=3, n_head=2, n_embd=64, block_size=16), sizes, "a test")
    return PredictionInput(
        blueprint_for(model, init, activation, VOCAB), activation, TokenStatistics.uniform(VOCAB), "uniform", batch
    )
