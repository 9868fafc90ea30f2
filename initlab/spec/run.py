"""What one run is, field by field: every field of a spec is declared here, and its name is listed nowhere else.

To add a field, add its line. Its flag, its help, its place in the JSON Schema, in lane groups and in ids follow; what
it does is up to whoever reads it.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from initlab.errors import InitlabError
from initlab.network.topology import Dims, NormPlacement, Positions, Topology
from initlab.spec.declaration import Count, Fraction, Frozen, Index, NonNegative, Positive, Seed, Share, Traits

SIZE = Traits(role="size", identity="always")
BASE = Traits(role="base size", identity="elsewhere", reason="the laws that scale from it")
NETWORK = Traits(identity="always")
SOURCE = NETWORK.of(identity="elsewhere", reason="the fields that it sets, each as it is hashed itself")
SLOTS = NETWORK.of(identity="elsewhere", reason="which slots the law table has")
DATA = Traits(role="data", per_lane=True, identity="elsewhere", reason="the corpus: its content and its tokenizer")
BUDGET = Traits(role="budget", phase="training", per_lane=True, identity="always")
STATIC = Traits(role="knob", phase="training", identity="always")
KNOB = STATIC.of(per_lane=True)
STEP = KNOB.of(phase="first update")


def _topology(default: str) -> Traits:
    """Of what an init may ask for itself; ``default`` is GPT-2's."""
    reason = "the topology beside the law table"
    return NETWORK.of(identity="elsewhere", reason=reason, unset=f"the init's, else {default}")


class ModelSpec(Frozen):
    """The shared GPT: its sizes, and what a spec asks of the network around the weights."""

    n_layer: Annotated[Count, SIZE] = Field(4, description="transformer blocks")
    n_head: Annotated[Count, SIZE] = Field(4, description="attention heads")
    n_embd: Annotated[Count, SIZE] = Field(128, description="width of the residual stream")
    block_size: Annotated[Count, SIZE.of(unit="tokens")] = Field(64, description="context length")
    vocab_size: Annotated[Count | None, SIZE.of(unit="tokens", unset="the corpus's own")] = Field(
        None, description="vocabulary"
    )
    ffn_ratio: Annotated[Positive, SIZE] = Field(4.0, description="hidden width of the MLP over n_embd")
    bias: Annotated[bool, SLOTS] = Field(True, description="biases in linear layers and norms")
    tied: Annotated[bool | None, SLOTS.of(unset="on, unless the init's source does not tie them")] = Field(
        None, description="token embedding and head share one tensor"
    )
    dropout: Annotated[Fraction, NETWORK] = Field(0.0, description="dropout probability")
    ffn_matched: Annotated[bool, NETWORK] = Field(
        False, description="2/3 of the hidden width for gated MLPs, as many parameters as others"
    )
    norm_at: Annotated[NormPlacement | None, _topology("pre")] = Field(None, description="where norms stand")
    norm: Annotated[Literal["layernorm", "rmsnorm"] | None, _topology("layernorm")] = Field(
        None, description="what a norm computes"
    )
    embed_norm: Annotated[bool | None, _topology("off")] = Field(None, description="a norm on the embedding")
    sub_norm: Annotated[bool | None, _topology("off")] = Field(
        None, description="a norm before each branch's output projection (sub-LN)"
    )
    qk_norm: Annotated[bool | None, _topology("off")] = Field(
        None, description="a norm on every head's queries and keys"
    )
    positions: Annotated[Positions | None, _topology("learned")] = Field(
        None, description="how the network is told positions"
    )
    parallel: Annotated[bool | None, _topology("off")] = Field(
        None, description="attention and MLP read the same norm"
    )
    softcap: Annotated[Positive | None, _topology("no cap")] = Field(
        None, description="logits are softcap · tanh(logits / softcap)"
    )
    gainless: Annotated[bool | None, _topology("off")] = Field(None, description="norms without gains and biases")
    parallel_norms: Annotated[bool | None, _topology("off")] = Field(
        None, description="each branch of a parallel block reads a norm of its own"
    )
    rotary_fraction: Annotated[Share | None, _topology("1")] = Field(
        None, description="share of a head's channels that rotary positions turn"
    )
    as_source: Annotated[bool, SOURCE] = Field(
        False, description="the network of the init's source: norms, biases, activation, positions, tie"
    )
    base_n_embd: Annotated[Count, BASE] = Field(
        256, description="width of the small model that μP-like inits scale from"
    )
    base_n_layer: Annotated[Count, BASE] = Field(
        2, description="depth of the small model that depth-aware μP inits scale from"
    )

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
        """What the spec asks of the network around the weights, by Topology's names; None leaves it to the init."""
        return self._shared_with(Topology)

    def dims(self, vocab_size: int, *, gated: bool = False, tied: bool = True) -> Dims:
        """Return the sizes laws see. ``vocab_size`` is the corpus's and ``tied`` the init's, where the spec is open.

        ``gated`` is whether the activation has a gate. A field that Dims has by the same name passes as it is.
        """
        hidden = self.ffn_ratio * self.n_embd
        made = {
            "vocab_size": self.vocab_size or vocab_size,
            "ffn_hidden": round(hidden * 2 / 3) if gated and self.ffn_matched else round(hidden),
            "tied": tied if self.tied is None else self.tied,
            "gated": gated,
        }
        return Dims(**{**self._shared_with(Dims), **made})

    def _shared_with(self, kind: type[Dims | Topology]) -> dict[str, Any]:
        own = type(self).model_fields
        return {one.name: getattr(self, one.name) for one in fields(kind) if one.name in own}


class DataSpec(Frozen):
    """Which text is read, and how."""

    corpus: Annotated[str, DATA.of(names="corpus")] = Field(
        "synthetic", description="a text: by name, or a text file, a folder, or nanoGPT's train.bin"
    )
    tokenizer: Annotated[str | None, DATA.of(names="tokenizer", unset="byte, of a text")] = Field(
        None, description="how a text becomes tokens"
    )
    seed: Annotated[
        Seed | None, DATA.of(flag="data-seed", reason="the seed of the batches, resolved", unset="the run's seed")
    ] = Field(None, description="seed of the batches")


class TrainSpec(Frozen):
    """The optimizer, its schedule, and what is logged when. Defaults are nanoGPT's where it has one."""

    steps: Annotated[Index, BUDGET.of(unit="steps")] = Field(
        300, description="length of training; 0 probes at init only"
    )
    batch_size: Annotated[Count, BUDGET.of(phase="first update", per_lane=False, unit="sequences")] = Field(
        12, description="what a step sees"
    )
    lr: Annotated[Positive, STEP] = Field(1e-3, description="peak learning rate")
    min_lr: Annotated[NonNegative | None, KNOB.of(unset="lr / 10")] = Field(
        None, description="learning rate at the end of the cosine"
    )
    optimizer: Annotated[str, STATIC.of(phase="first update", names="optimizer")] = Field(
        "adamw", description="what turns gradients into updates"
    )
    schedule: Annotated[Literal["cosine", "constant"], KNOB] = Field(
        "cosine", description="learning rate after the warm-up"
    )
    warmup: Annotated[Index, STEP.of(unit="steps")] = Field(0, description="length of the linear warm-up")
    decay_steps: Annotated[Count | None, KNOB.of(unit="steps", unset="steps")] = Field(
        None, description="end of the cosine"
    )
    beta1: Annotated[Fraction, KNOB] = Field(0.9, description="decay of the mean of gradients, or the momentum")
    beta2: Annotated[Fraction, KNOB] = Field(0.99, description="decay of the mean of squared gradients")
    eps: Annotated[Positive, STEP] = Field(1e-8, description="added to the root of the mean of squared gradients")
    weight_decay: Annotated[NonNegative, STEP] = Field(0.1, description="decay of 2-D tensors, times the rate a step")
    clip: Annotated[NonNegative, STEP] = Field(1.0, description="largest gradient norm; 0 turns clipping off")
    eval_interval: Annotated[Count, STATIC.of(unit="steps")] = Field(250, description="between evaluations")
    eval_batches: Annotated[Count, STATIC] = Field(20, description="fixed validation batches an evaluation")
    probe_interval: Annotated[Count | None, STATIC.of(unit="steps", unset="at 0, 1, 2, 5, 10, 20, ...")] = Field(
        None, description="between probes"
    )
    precision: Annotated[Literal["float32", "highest", "bfloat16", "float64"], STATIC.of(phase="init")] = Field(
        "float32",
        description="number format; of float32's products, highest has torch's own, float32 the fastest as accurate",
    )

    @property
    def final_lr(self) -> float:
        return self.lr / 10 if self.min_lr is None else self.min_lr


class RunSpec(Frozen):
    """One fully resolved training."""

    model: ModelSpec = ModelSpec()
    data: DataSpec = DataSpec()
    train: TrainSpec = TrainSpec()
    init: Annotated[
        str, Traits(role="subject", per_lane=True, identity="elsewhere", reason="the law table", names="init")
    ] = Field("depth-scaled", description="how the network starts")
    activation: Annotated[str, Traits(role="subject", identity="always", names="activation")] = Field(
        "gelu", description="the MLP's activation"
    )
    seed: Annotated[Seed, Traits(role="seed", per_lane=True, identity="always", flag="seeds")] = Field(
        0, description="seed of the draws, and of the batches unless those have their own"
    )

    @property
    def data_seed(self) -> int:
        return self.seed if self.data.seed is None else self.data.seed


def with_sizes(model: ModelSpec, sizes: Mapping[str, float], origin: str) -> ModelSpec:
    """Return the model at other sizes, by name; raises InitlabError, naming ``origin``, where there is none."""
    try:
        return ModelSpec(**{**model.model_dump(), **sizes})
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise InitlabError(f"{origin}: no model has these sizes: {reason}") from error
