"""initlab against an implementation that is not ours: Hugging Face's GPT-2, forward, probed, and trained.

What is compared with is written here from the definitions: reductions are numpy in float64 on tensors that hooks
took from the Hugging Face model, and the training loop is torch's own AdamW with nanoGPT's schedule.
"""

import itertools
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from initlab.activations.functions import ACTIVATIONS
from initlab.data.batches import draw_batch
from initlab.data.corpus import Corpus, split_90_10
from initlab.data.synthetic import Source
from initlab.engine.group import Group
from initlab.inits.catalogue import resolve
from initlab.inits.draw import draw_all
from initlab.network.topology import Dims
from initlab.probes.collect import Collector, n_sites
from initlab.probes.reductions import PROBES
from initlab.spec.run import ModelSpec, RunSpec, TrainSpec
from tests.conftest import optional_module
from tests.networks import Tensors, network, random_tensors, random_tokens, tiny

transformers = optional_module("transformers")
pytestmark = [pytest.mark.hf, pytest.mark.usefixtures("one_thread")]

FLOAT32, FLOAT64 = 1e-5, 1e-11
"""Largest relative difference. float32 rounds at 6e-8, and a few layers of sums in another order lose two digits;
float64 rounds at 1e-16 and is given five."""

HF_ACTIVATION = {
    "gelu": "gelu",
    "gelu-tanh": "gelu_new",
    "relu": "relu",
    "relu2": "relu2",
    "leaky-relu": "leaky_relu",
    "silu": "silu",
    "gelu-sigmoid": "quick_gelu",
    "mish": "mish",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "identity": "linear",
}
NOT_COMPARED = {"elu", "selu", "softplus", "hard-tanh", "hard-sigmoid", "hard-swish", "relu6"}
"""Hugging Face names all but the last otherwise or not at all; no pre-activation here reaches the 6 of relu6."""

HF_MODULE = {
    "token_embedding": "transformer.wte",
    "position_embedding": "transformer.wpe",
    "final_norm": "transformer.ln_f",
    "lm_head": "lm_head",
}
HF_BLOCK_MODULE = {
    "attn.norm": "ln_1",
    "query": "attn.c_attn",
    "key": "attn.c_attn",
    "value": "attn.c_attn",
    "attn_out": "attn.c_proj",
    "ffn.norm": "ln_2",
    "ffn_up": "mlp.c_fc",
    "ffn_down": "mlp.c_proj",
}
QKV = ("query", "key", "value")


def hf_state(tensors: Tensors, dims: Dims) -> Tensors:
    """Return slots by Hugging Face's keys: Conv1D keeps (fan_in, fan_out), c_attn is q, k and v side by side."""
    parts: dict[str, list[Tensor]] = {}
    for name, tensor in tensors.items():
        *path, kind = name.split(".")
        if path[0] == "blocks":
            module = f"transformer.h.{path[1]}.{HF_BLOCK_MODULE['.'.join(path[2:])]}"
            parts.setdefault(f"{module}.{kind}", []).append(tensor.T if tensor.ndim == 2 else tensor)
        else:
            parts[f"{HF_MODULE[path[0]]}.{kind}"] = [tensor]
    state = {key: torch.cat(pieces, dim=-1) for key, pieces in parts.items()}
    if dims.tied:
        state["lm_head.weight"] = state["transformer.wte.weight"]
    return state


def hf_model(dims: Dims, tensors: Tensors, activation: str = "gelu") -> Any:
    """Return the Hugging Face model with these weights; without biases its own are zero and stay so."""
    config = transformers.GPT2Config(
        vocab_size=dims.vocab_size,
        n_positions=dims.block_size,
        n_embd=dims.n_embd,
        n_layer=dims.n_layer,
        n_head=dims.n_head,
        n_inner=dims.ffn_hidden,
        activation_function=HF_ACTIVATION[activation],
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        tie_word_embeddings=dims.tied,
        bos_token_id=0,
        eos_token_id=0,
        attn_implementation="eager",  # which returns the attention weights
    )
    model = transformers.GPT2LMHeadModel(config).to(next(iter(tensors.values())).dtype)
    state = hf_state(tensors, dims)
    if not dims.bias:
        for name, parameter in model.named_parameters():
            if name.endswith(".bias"):
                parameter.requires_grad_(False)
                state[name] = torch.zeros_like(parameter)
    model.load_state_dict(state)  # strict: every key of one side has one on the other
    return model


def tolerance(dtype: torch.dtype) -> float:
    return FLOAT32 if dtype == torch.float32 else FLOAT64


def difference(ours: Tensor, theirs: Tensor) -> float:
    """Return the largest difference, over the rms of the tensor."""
    return float((ours - theirs).abs().max() / theirs.square().mean().sqrt())


# The network ------------------------------------------------------------------------------------------------------


def start(init: str | None, dims: Dims, dtype: torch.dtype) -> Tensors:
    """Return the init's draw, or for None weights, gains and biases that are all random."""
    if init is None:
        return random_tensors(dims, dtype=dtype)
    return draw_all(resolve(init).blueprint(dims), seed=0, dtype=dtype)


def logits_differ(dims: Dims, tensors: Tensors, activation: str, theirs: Any) -> float:
    tokens = random_tokens(dims)
    with torch.no_grad():
        return difference(network(dims, tensors, activation)(tokens)[0], theirs(tokens).logits)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("init", [None, "depth-scaled", "pytorch", "note-default-scaled"])
def test_logits_and_loss_are_hugging_faces(init: str | None, tied: bool, dtype: torch.dtype) -> None:
    dims = tiny(tied=tied, n_layer=3)
    tensors = start(init, dims, dtype)
    if init != "depth-scaled":
        assert tensors["blocks.1.ffn_up.bias"].abs().min() > 0
    ours, theirs = network(dims, tensors, "gelu-tanh"), hf_model(dims, tensors, "gelu-tanh")
    window = random_tokens(dims)
    with torch.no_grad():
        logits, loss = ours(window[:, :-1], window[:, 1:])
        expected = theirs(window, labels=window)  # shifts the labels itself
    assert difference(logits, expected.logits[:, :-1]) < tolerance(dtype)
    # Hugging Face takes the loss in float32 whatever the logits are.
    assert float(loss) == pytest.approx(float(expected.loss), rel=1e-6)
    assert float(loss) == pytest.approx(float(nll(expected.logits[:, :-1], window[:, 1:])), rel=tolerance(dtype))
    assert float(loss) != pytest.approx(float(nll(expected.logits[:, :-1], window[:, :-1])), rel=1e-3)


def nll(logits: Tensor, targets: Tensor) -> Tensor:
    return -logits.log_softmax(-1).gather(-1, targets[..., None]).mean()


@pytest.mark.parametrize("activation", sorted(HF_ACTIVATION))
def test_every_activation_is_hugging_faces_and_no_other_is(activation: str) -> None:
    dims = tiny()
    tensors = random_tensors(dims, dtype=torch.float64)
    theirs = hf_model(dims, tensors, activation)
    for name in HF_ACTIVATION:
        if name == activation:
            assert logits_differ(dims, tensors, name, theirs) < FLOAT64
        else:
            # The two forms of GELU differ by at most 5e-4, all others by far more.
            assert logits_differ(dims, tensors, name, theirs) > 1e-5


def test_every_activation_of_the_catalogue_is_compared() -> None:
    """GPT-2's MLP has no gate."""
    ungated = {name for name, entry in ACTIVATIONS.items() if not entry.gated}
    assert set(HF_ACTIVATION) == ungated - NOT_COMPARED


def test_without_biases_it_is_the_same_network_with_zero_ones() -> None:
    dims = tiny(bias=False)
    tensors = random_tensors(dims, dtype=torch.float64)
    theirs = hf_model(dims, tensors)
    assert logits_differ(dims, tensors, "gelu", theirs) < FLOAT64
    with torch.no_grad():
        theirs.transformer.ln_f.bias += 0.01
    assert logits_differ(dims, tensors, "gelu", theirs) > 1e-3


def swapped(first: str, second: str) -> Callable[[Tensors], Tensors]:
    def change(tensors: Tensors) -> Tensors:
        other = {first: second, second: first}
        return {
            f"{prefix}{other.get(part, part)}.{kind}": tensor
            for name, tensor in tensors.items()
            for prefix, part, kind in [_parts(name)]
        }

    return change


def _parts(name: str) -> tuple[str, str, str]:
    """Split ``blocks.0.attn.norm.weight`` into ``blocks.0.``, ``attn.norm`` and ``weight``."""
    path, _, kind = name.rpartition(".")
    found = re.fullmatch(r"(blocks\.\d+\.)?(.*)", path)
    assert found is not None
    return found[1] or "", found[2], kind


def heads_permuted(tensors: Tensors) -> Tensors:
    """Exchange two heads of the values alone."""
    weight = tensors["blocks.0.value.weight"]
    size = weight.shape[0] // 4
    order = torch.cat([torch.arange(size, 2 * size), torch.arange(size), torch.arange(2 * size, 4 * size)])
    return {**tensors, "blocks.0.value.weight": weight[order]}


def transposed(tensors: Tensors) -> Tensors:
    return {**tensors, "blocks.1.attn_out.weight": tensors["blocks.1.attn_out.weight"].T}


def blocks_exchanged(tensors: Tensors) -> Tensors:
    other = {"0": "1", "1": "0"}
    return {".".join(other.get(part, part) for part in name.split(".")): tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    "wrong",
    [
        swapped("query", "key"),
        swapped("key", "value"),
        swapped("attn.norm", "ffn.norm"),
        heads_permuted,
        transposed,
        blocks_exchanged,
    ],
)
def test_a_weight_in_the_wrong_place_breaks_the_equality(wrong: Callable[[Tensors], Tensors]) -> None:
    dims = tiny()
    tensors = random_tensors(dims, dtype=torch.float64)
    misplaced = wrong(tensors)
    assert misplaced.keys() == tensors.keys()
    ordered = {name: misplaced[name] for name in tensors}
    assert logits_differ(dims, tensors, "gelu", hf_model(dims, tensors)) < FLOAT64
    assert logits_differ(dims, tensors, "gelu", hf_model(dims, ordered)) > 1e-3


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_the_gradient_of_every_slot_is_hugging_faces(tied: bool) -> None:
    dims = tiny(tied=tied)
    tensors = random_tensors(dims, dtype=torch.float64)
    tokens, targets = random_tokens(dims), random_tokens(dims, seed=2)
    ours, theirs = network(dims, tensors), hf_model(dims, tensors)
    ours(tokens, targets)[1].backward()
    nll(theirs(tokens).logits, targets).backward()
    gradients = {name: parameter.grad for name, parameter in ours.named_parameters() if parameter.grad is not None}
    mapped = hf_state(gradients, dims)
    assert gradients.keys() == tensors.keys()
    for name, parameter in theirs.named_parameters():
        assert difference(mapped[name], parameter.grad) < FLOAT64, name
        assert difference(mapped[name].flip(0), parameter.grad) > 1e-3, name


# The probes -------------------------------------------------------------------------------------------------------

Array = npt.NDArray[np.float64]
SOURCE = Source()
STEPS = 20
SEEDS = (1, 3, 5)
LANE = 1
"""The lane that is compared; its neighbours must not matter."""


def moment(x: Array) -> float:
    return float(np.mean(x**2))


def variance(x: Array) -> float:
    return float(np.mean(np.var(x, axis=-1)))


def rms(pieces: Iterable[Array]) -> float:
    flat = np.concatenate([piece.ravel() for piece in pieces])
    return float(np.sqrt(np.mean(flat**2)))


def cosine(x: Array) -> float:
    pairs = [(a, b) for sequence in x for a, b in itertools.combinations(sequence, 2)]
    return float(np.mean([a @ b / np.sqrt((a @ a) * (b @ b)) for a, b in pairs]))


def logit_max(fused: Array, n_head: int) -> float:
    """Return the largest q·k/√h over heads and pairs of which the key is not after the query."""
    q, k, _ = (part.reshape(*part.shape[:2], n_head, -1) for part in np.split(fused, 3, axis=-1))
    scores = np.einsum("bthd,bshd->bhts", q, k) / np.sqrt(q.shape[-1])
    return float(scores[..., np.tril(np.ones(scores.shape[-2:])) > 0].max())


def entropy(weights: Array) -> float:
    """Return the mean entropy of (B, H, T, T) weights, each query's over the logarithm of how many keys it sees."""
    logs = np.log(weights, out=np.zeros_like(weights), where=weights > 0)
    each = -(weights * logs).sum(-1)
    return float(np.mean(each[..., 1:] / np.log(np.arange(2, weights.shape[-1] + 1))))


def dead(hidden: Array) -> float:
    """Return the share of units that stay within a thousandth of the rms for every token."""
    return float(np.mean(np.max(np.abs(hidden), axis=(0, 1)) <= 1e-3 * rms([hidden])))


def to_array(x: Tensor | None) -> Array:
    assert x is not None
    return x.detach().double().numpy()


def hf_profile(model: Any, tokens: Tensor, targets: Tensor) -> dict[str, Any]:
    """Return what hooks see. A site of the stream is the input of a norm: ln_1 and ln_2 of each block, then ln_f."""
    stream: list[Tensor] = []
    attention: list[Tensor] = []
    mlp: list[Tensor] = []
    fused: list[Tensor] = []
    hidden: list[Tensor] = []

    def enter(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        inputs[0].retain_grad()
        stream.append(inputs[0])

    blocks = model.transformer.h
    norms = [norm for block in blocks for norm in (block.ln_1, block.ln_2)]
    hooks = [norm.register_forward_pre_hook(enter) for norm in (*norms, model.transformer.ln_f)]
    hooks += [block.attn.register_forward_hook(lambda _, __, out: attention.append(out[0])) for block in blocks]
    hooks += [block.mlp.register_forward_hook(lambda _, __, out: mlp.append(out)) for block in blocks]
    hooks += [block.attn.c_attn.register_forward_hook(lambda _, __, out: fused.append(out)) for block in blocks]
    hooks += [block.mlp.act.register_forward_hook(lambda _, __, out: hidden.append(out)) for block in blocks]
    model.zero_grad()
    output = model(tokens, output_attentions=True)
    logits = output.logits
    loss = nll(logits, targets)
    loss.backward()
    for hook in hooks:
        hook.remove()
    return {
        "loss": float(loss.detach()),
        "residual_ms": [moment(to_array(x)) for x in stream],
        "residual_var": [variance(to_array(x)) for x in stream],
        "token_cosine": [cosine(to_array(x)) for x in stream],
        "attn_logit_max": [logit_max(to_array(x), model.config.n_head) for x in fused],
        "attn_entropy": [entropy(to_array(x)) for x in output.attentions],
        "dead_units": [dead(to_array(x)) for x in hidden],
        "attn_ms": [moment(to_array(x)) for x in attention],
        "mlp_ms": [moment(to_array(x)) for x in mlp],
        "logit_var": variance(to_array(logits)),
        "grad_rms": [rms([to_array(x.grad)]) for x in stream],
        "weight_grad_rms": [
            rms(to_array(p.grad) for p in block.parameters() if p.grad is not None) for block in blocks
        ],
    }


def hf_update(before: Any, after: Any) -> dict[str, list[float]]:
    """Return how far each matrix moved, over its size: c_attn holds q, k and v side by side."""

    def matrices(model: Any, layer: int) -> dict[str, Array]:
        block = model.transformer.h[layer]
        q, k, v = np.split(to_array(block.attn.c_attn.weight), 3, axis=1)
        rest = (block.attn.c_proj, block.mlp.c_fc, block.mlp.c_proj)
        names = ("query", "key", "value", "attn_out", "ffn_up", "ffn_down")
        return dict(zip(names, (q, k, v, *(to_array(module.weight) for module in rest)), strict=True))

    ratios: dict[str, list[float]] = {}
    for layer in range(len(before.transformer.h)):
        old, new = matrices(before, layer), matrices(after, layer)
        for name in old:
            ratios.setdefault(f"update_ratio_{name}", []).append(rms([new[name] - old[name]]) / rms([old[name]]))
    return ratios


@dataclass(frozen=True)
class Case:
    """How a run starts: from an init's draw, or for None from values that are all random."""

    init: str | None = None
    precision: str = "float32"
    tied: bool = True
    bias: bool = True

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32 if self.precision == "float32" else torch.float64


CASES = [
    Case(),
    Case(precision="float64"),
    Case(tied=False, precision="float64"),
    Case(bias=False, precision="float64"),
    Case(init="depth-scaled"),
    Case(init="pytorch"),
    Case(init="pytorch", tied=False),
]


@dataclass(frozen=True, repr=False)
class Trained:
    """What the engine did: weights after 0, 19 and 20 updates, and its rows."""

    dims: Dims
    train: TrainSpec
    tensors: dict[int, Tensors]
    layers: dict[int, dict[str, Any]]
    losses: list[float]
    batches: list[tuple[Tensor, Tensor]]


@lru_cache(maxsize=1)
def small_corpus() -> Corpus:
    tokens = SOURCE.generate(20_000, seed=0)
    return Corpus.of("small", split_90_10(tokens), tokenizer="symbol", vocab_size=SOURCE.vocab_size)


@lru_cache(maxsize=len(CASES))
def trained(case: Case) -> Trained:
    """Train 20 steps through every regime: warm-up, cosine, the floor after it, and clipping; one lane of three."""
    train = TrainSpec(
        steps=STEPS,
        batch_size=4,
        lr=3e-3,
        warmup=4,
        decay_steps=15,
        weight_decay=0.5,
        clip=0.5,
        eval_batches=1,
        probe_interval=STEPS,
        precision="float32" if case.precision == "float32" else "float64",
    )
    model = ModelSpec(n_layer=2, n_head=4, n_embd=32, block_size=16, tied=case.tied, bias=case.bias)
    init = case.init or "depth-scaled"
    specs = [RunSpec(model=model, train=train, init=init, seed=seed) for seed in SEEDS]
    corpus = small_corpus()
    group = Group(specs, [corpus] * len(specs))
    if case.init is None:
        for name, tensor in random_tensors(group.dims, dtype=case.dtype).items():
            group._parameters[name][LANE].copy_(tensor)
    tensors, records = {0: weights_of(group)}, []
    for record in group.run():
        if record.lane == LANE:
            records.append(record)
            if record.kind == "metrics" and record.row["step"] == STEPS - 1:  # its update is still to come
                tensors[STEPS - 1] = weights_of(group)
    batches = [
        draw_batch(corpus.train, block_size=16, batch_size=4, seed=SEEDS[LANE], split="train", step=step)
        for step in range(STEPS + 1)
    ]
    return Trained(
        group.dims,
        train,
        {**tensors, STEPS: weights_of(group)},  # batch 20 is measured and not learnt from
        {record.row["step"]: record.row for record in records if record.kind == "layers"},
        [record.row["train_loss"] for record in records if record.kind == "metrics"],
        [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in batches],
    )


def weights_of(group: Group) -> Tensors:
    return {name: stacked[LANE].detach().clone() for name, stacked in group._parameters.items()}


def close(ours: Any, theirs: Any, rel: float) -> bool:
    return bool(ours == pytest.approx(theirs, rel=rel, abs=0))


@pytest.mark.parametrize("step", [0, STEPS])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_probe_is_what_hooks_see(case: Case, step: int) -> None:
    run, rel = trained(case), tolerance(case.dtype)
    theirs = hf_profile(hf_model(run.dims, run.tensors[step]), *run.batches[step])
    row = run.layers[step]
    if step:
        theirs |= hf_update(hf_model(run.dims, run.tensors[step - 1]), hf_model(run.dims, run.tensors[step]))
    assert set(row) == {"step", *theirs}
    assert run.layers.keys() == {0, STEPS}
    assert len(row["residual_ms"]) == 2 * run.dims.n_layer + 1
    for name, expected in theirs.items():
        if name == "token_cosine":
            # |Σu|² - Σ|u|² cancels where tokens are at right angles: what is left is exact to T roundings of 1.
            assert row[name] == pytest.approx(expected, rel=rel, abs=rel / 10), name
        else:
            assert close(row[name], expected, rel), name


def test_a_profile_of_other_weights_or_another_batch_does_not_agree() -> None:
    run = trained(Case(precision="float64"))
    row = run.layers[STEPS]
    other_weights = hf_profile(hf_model(run.dims, run.tensors[0]), *run.batches[STEPS])
    other_batch = hf_profile(hf_model(run.dims, run.tensors[STEPS]), *run.batches[0])
    for name in other_batch.keys() - {"dead_units"}:  # of which there is none in either
        assert not close(row[name], other_weights[name], 1e-4), name
        assert not close(row[name], other_batch[name], 1e-4), name
    other_update = hf_update(hf_model(run.dims, run.tensors[0]), hf_model(run.dims, run.tensors[STEPS]))
    for name, ratios in other_update.items():
        assert not close(row[name], ratios, 1e-2), name
        assert not close(row[name], row[name][::-1], 1e-6), name
    for name in ("residual_ms", "residual_var", "token_cosine", "attn_ms", "mlp_ms", "grad_rms", "weight_grad_rms"):
        assert not close(row[name], row[name][::-1], 1e-3), name
    # The names are not each other's: the variance is not the second moment, nor one branch the other.
    assert not close(row["residual_ms"], row["residual_var"], 1e-4)
    assert not close(row["attn_ms"], row["mlp_ms"], 1e-3)


def test_planted_dead_units_are_what_hooks_see() -> None:
    dims, tokens = tiny(), random_tokens(tiny())
    tensors = random_tensors(dims, dtype=torch.float64)
    for layer in range(dims.n_layer):
        tensors[f"blocks.{layer}.ffn_up.bias"][:] = 3.0  # always open is not dead
    tensors["blocks.0.ffn_up.bias"][:7] = -50.0  # no pre-activation gets over that

    def seen(tensors: Tensors, activation: str) -> list[float]:
        collector = Collector(torch.zeros(n_sites(dims.n_layer)), dict(PROBES.items()))
        network(dims, tensors, activation)(tokens, tap=collector)
        return collector.values()["dead_units"].tolist()

    for activation in ("relu", "gelu"):
        theirs = hf_profile(hf_model(dims, tensors, activation), tokens, tokens)
        assert seen(tensors, activation) == theirs["dead_units"] == [7 / dims.ffn_hidden, 0.0]
    assert seen(tensors, "leaky-relu") == [0.0, 0.0]  # which has no dead units: the twin
    tensors["blocks.0.ffn_up.bias"][0] = 3.0
    assert seen(tensors, "relu") == [6 / dims.ffn_hidden, 0.0]


# The training -----------------------------------------------------------------------------------------------------


def nanogpt_lr(step: int, train: TrainSpec) -> float:
    """Warm-up to the peak over ``warmup`` steps, half a cosine to a tenth of it at ``decay_steps``, then flat."""
    peak, floor, end = train.lr, train.lr / 10, float(train.decay_steps or train.steps)
    warm = (step + 1) / (train.warmup + 1)
    if warm < 1:
        return peak * warm
    share = min((step - train.warmup) / (end - train.warmup), 1.0)
    return floor + (peak - floor) * math.cos(share * math.pi / 2) ** 2  # (1 + cos 2a) / 2 = cos² a


def plain_losses(
    run: Trained,
    *,
    decay_vectors: bool = False,
    late: int = 0,
    clip: float | None = None,
    beta2: float = 0.99,
    eps: float = 1e-8,
    batches_late: int = 0,
) -> list[float]:
    """Return the losses of a plain loop on the Hugging Face model; the flags make it another loop."""
    model = hf_model(run.dims, run.tensors[0])
    learnt = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in learnt if p.ndim >= 2], "weight_decay": run.train.weight_decay},
            {
                "params": [p for p in learnt if p.ndim < 2],
                "weight_decay": run.train.weight_decay if decay_vectors else 0.0,
            },
        ],
        betas=(0.9, beta2),
        eps=eps,
    )
    losses = []
    for step in range(STEPS + 1):
        tokens, targets = run.batches[(step + batches_late) % len(run.batches)]
        loss = nll(model(tokens).logits, targets)
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learnt, run.train.clip if clip is None else clip)
        for group in optimizer.param_groups:
            group["lr"] = nanogpt_lr(step + late, run.train)
        optimizer.step()
    return losses


def largest_difference(ours: list[float], theirs: list[float]) -> float:
    return max(abs(a - b) / b for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_twenty_steps_are_those_of_a_plain_loop(case: Case) -> None:
    run = trained(case)
    assert len(run.losses) == STEPS + 1
    assert abs(run.losses[-1] - run.losses[0]) > 0.01  # something was learnt
    assert largest_difference(run.losses, plain_losses(run)) < tolerance(case.dtype)


@pytest.mark.parametrize(
    "change",
    [
        {"decay_vectors": True},
        {"late": 1},
        {"late": -1},
        {"clip": 1e9},
        {"beta2": 0.999},
        {"eps": 1e-3},
        {"batches_late": 1},
    ],
    ids=str,
)
def test_another_loop_is_told_apart(change: dict[str, Any]) -> None:
    # Ten times what float32 is allowed, ten million times what float64 is.
    run = trained(Case(precision="float64"))
    assert largest_difference(run.losses, plain_losses(run, **change)) > 10 * FLOAT32


# The extra --------------------------------------------------------------------------------------------------------


def test_a_missing_extra_skips_at_home_and_fails_where_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INITLAB_REQUIRE_EXTRAS", raising=False)
    with pytest.raises(pytest.skip.Exception):
        optional_module("no_such_module_anywhere")
    monkeypatch.setenv("INITLAB_REQUIRE_EXTRAS", "1")
    with pytest.raises(ModuleNotFoundError):
        optional_module("no_such_module_anywhere")
    assert optional_module("math") is math
