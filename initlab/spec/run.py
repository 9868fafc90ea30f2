"""The frozen, validated values that cross every border: what one run is, field by field.

A run is its content. ``content_hash`` turns that content into the identity under which results are stored, so
the same run on two machines has the same id, and nothing about where or how fast it ran can change it.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from initlab.errors import InitlabError
from initlab.network.topology import Dims, NormPlacement, Positions

Count = Annotated[int, Field(gt=0)]
Index = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


class Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=())


class ModelSpec(Frozen):
    """Sizes of the shared GPT."""

    n_layer: Count = Field(4, description="transformer blocks")
    n_head: Count = Field(4, description="attention heads")
    n_embd: Count = Field(128, description="width of the residual stream")
    block_size: Count = Field(64, description="context length in tokens")
    vocab_size: Count | None = Field(None, description="vocabulary; default: the corpus's own")
    ffn_ratio: Positive = Field(4.0, description="hidden width of the MLP over n_embd")
    bias: bool = Field(True, description="biases in linear layers and norms")
    tied: bool | None = Field(
        None, description="token embedding and head share one tensor; default: yes, unless the init's source does not"
    )
    dropout: Fraction = Field(0.0, description="dropout probability")
    ffn_matched: bool = Field(
        False, description="2/3 of the hidden width for gated MLPs, as many parameters as others"
    )
    norm_at: NormPlacement | None = Field(None, description="where norms stand; default: the init's, else pre")
    norm: Literal["layernorm", "rmsnorm"] | None = Field(None, description="default: the init's, else layernorm")
    embed_norm: bool | None = Field(None, description="a norm on the embedding; default: the init's, else none")
    sub_norm: bool | None = Field(None, description="a norm before each branch's output projection (sub-LN)")
    qk_norm: bool | None = Field(None, description="a norm on every head's queries and keys")
    positions: Positions | None = Field(None, description="default: the init's, else learned")
    parallel: bool | None = Field(None, description="attention and MLP read the same norm")
    softcap: Positive | None = Field(None, description="logits are softcap · tanh(logits / softcap)")
    base_n_embd: Count = Field(256, description="width of the small model that μP-like inits scale from")
    base_n_layer: Count = Field(2, description="depth of the small model that depth-aware μP inits scale from")

    @model_validator(mode="after")
    def _check(self) -> "ModelSpec":
        if self.n_embd % self.n_head:
            divisors = [n for n in range(1, self.n_embd + 1) if self.n_embd % n == 0]
            near = min(divisors, key=lambda n: abs(n - self.n_head))
            raise ValueError(
                f"n_embd = {self.n_embd} is not divisible by n_head = {self.n_head}; n_head = {near} would be"
            )
        if not float(self.ffn_ratio * self.n_embd).is_integer():
            raise ValueError(
                f"ffn_ratio · n_embd = {self.ffn_ratio * self.n_embd:g} is not a whole number of hidden units"
            )
        return self

    @property
    def topology(self) -> dict[str, Any]:
        """What the spec asks of the network around the weights; None leaves it to the init."""
        names = ("norm_at", "norm", "embed_norm", "sub_norm", "qk_norm", "positions", "parallel", "softcap")
        return {name: getattr(self, name) for name in names}

    def dims(self, vocab_size: int, *, gated: bool = False, tied: bool = True) -> Dims:
        """Return the sizes laws see, with the corpus's vocabulary and the init's wish where the spec is open."""
        hidden = self.ffn_ratio * self.n_embd
        return Dims(
            n_layer=self.n_layer,
            n_head=self.n_head,
            n_embd=self.n_embd,
            vocab_size=self.vocab_size or vocab_size,
            block_size=self.block_size,
            ffn_hidden=round(hidden * 2 / 3) if gated and self.ffn_matched else round(hidden),
            bias=self.bias,
            tied=tied if self.tied is None else self.tied,
            gated=gated,
            base_n_embd=self.base_n_embd,
            base_n_layer=self.base_n_layer,
        )


class DataSpec(Frozen):
    """Which text is read, and how."""

    corpus: str = Field("synthetic", description="a corpus by name, a text file, a folder, or nanoGPT's train.bin")
    tokenizer: str | None = Field(None, description="byte or char, for text")
    seed: Seed | None = Field(None, description="seed of the batches; default: the run's seed")


class TrainSpec(Frozen):
    """AdamW, its schedule, and what is logged when. Defaults are nanoGPT's where it has one."""

    steps: Index = Field(300, description="optimizer steps; 0 probes at init only")
    batch_size: Count = Field(12, description="sequences a step")
    lr: Positive = Field(1e-3, description="peak learning rate")
    min_lr: NonNegative | None = Field(None, description="where the cosine ends; default: lr / 10")
    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="sgd has beta1 as its momentum")
    schedule: Literal["cosine", "constant"] = Field("cosine", description="after the warm-up")
    warmup: Index = Field(0, description="steps of linear warm-up")
    decay_steps: Count | None = Field(None, description="step at which the cosine ends; default: steps")
    beta1: Fraction = Field(0.9, description="AdamW")
    beta2: Fraction = Field(0.99, description="AdamW")
    eps: Positive = Field(1e-8, description="AdamW")
    weight_decay: NonNegative = Field(0.1, description="AdamW, on 2-D tensors")
    clip: NonNegative = Field(1.0, description="largest gradient norm; 0 turns clipping off")
    eval_interval: Count = Field(250, description="steps between evaluations")
    eval_batches: Count = Field(20, description="fixed validation batches an evaluation")
    probe_interval: Count | None = Field(None, description="steps between probes; default: 0, 1, 2, 5, 10, 20, ...")
    precision: Literal["float32", "highest", "bfloat16", "float64"] = Field(
        "float32",
        description="float32 (fastest products of its accuracy), highest (torch's own), bfloat16 products, float64",
    )

    @field_validator("lr")
    @classmethod
    def _sane(cls, lr: float) -> float:
        if not math.isfinite(lr):
            raise ValueError("a learning rate is finite")
        return lr

    @property
    def final_lr(self) -> float:
        return self.lr / 10 if self.min_lr is None else self.min_lr


class RunSpec(Frozen):
    """One fully resolved training."""

    model: ModelSpec = ModelSpec()
    data: DataSpec = DataSpec()
    train: TrainSpec = TrainSpec()
    init: str = "depth-scaled"
    activation: str = "gelu"
    seed: Seed = 0

    @property
    def data_seed(self) -> int:
        return self.seed if self.data.seed is None else self.data.seed


def resized(model: ModelSpec, sizes: Mapping[str, float], asked: str) -> ModelSpec:
    """Return the model at other sizes, by name; raises InitlabError, naming ``asked``, where there is none."""
    try:
        return ModelSpec(**{**model.model_dump(), **sizes})
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise InitlabError(f"{asked}: no model has these sizes: {reason}") from error
