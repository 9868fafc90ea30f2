"""The GPT on its own: its slots, its order of time, its taps and drops, and that it knows no init."""

import ast
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import initlab.model.gpt
from initlab.activations.functions import ACTIVATIONS
from initlab.inits.catalogue import INITS
from initlab.model.gpt import GPT, Block, skeleton
from initlab.model.layers import Hook, causal_mask, identity
from initlab.network.slot_table import gpt_slots, plain_network
from initlab.network.topology import Dims
from tests.networks import network, random_tensors, random_tokens, tiny

pytestmark = pytest.mark.usefixtures("one_thread")

GELU = ACTIVATIONS.get("gelu").function
VARIANTS = [tiny(tied=tied, bias=bias) for tied in (True, False) for bias in (True, False)]


def parameter_table(model: GPT) -> list[tuple[str, tuple[int, ...]]]:
    return [(name, tuple(parameter.shape)) for name, parameter in model.named_parameters()]


def slot_table(dims: Dims) -> list[tuple[str, tuple[int, ...]]]:
    return [(slot.name, slot.shape) for slot in gpt_slots(dims)]


@pytest.mark.parametrize("dims", VARIANTS, ids=lambda dims: f"tied={dims.tied},bias={dims.bias}")
def test_parameters_are_the_slots(dims: Dims) -> None:
    parameters = parameter_table(skeleton(plain_network(dims), GELU))
    assert parameters == slot_table(dims)
    assert all(parameters != slot_table(other) for other in VARIANTS if other != dims)


def record(model: GPT, tokens: Tensor, *, change: Hook = identity) -> tuple[list[str], list[Tensor], Tensor]:
    """Return the places in the order they are met, what the taps saw before ``change``, and the logits."""
    places: list[str] = []
    seen: list[Tensor] = []

    def tap(place: str, x: Tensor) -> Tensor:
        places.append(place)
        seen.append(x.detach().clone())
        return change(place, x)

    def drop(place: str, x: Tensor) -> Tensor:
        places.append(f"drop {place}")
        return x

    with torch.no_grad():
        logits, _ = model(tokens, tap=tap, drop=drop)
    return places, seen, logits


def expected_places(n_layer: int) -> list[str]:
    weights = ["attn_logits", "attn_weights", "drop attn_weights"]
    attention = ["query", "key", "value", *weights, "attn_projection", "drop attn_out", "attn_branch"]
    mlp = ["ffn_up", "ffn_hidden", "ffn_projection", "drop mlp_out", "mlp_branch"]
    return ["drop embedding", "residual", *(*attention, "residual", *mlp, "residual") * n_layer, "logits"]


@pytest.mark.parametrize("n_layer", [1, 3])
def test_hooks_are_called_in_the_documented_order(n_layer: int) -> None:
    dims = tiny(n_layer=n_layer)
    places, _, _ = record(network(dims, random_tensors(dims)), random_tokens(dims))
    assert places == expected_places(n_layer)
    assert places.count("residual") == 2 * n_layer + 1
    assert places != expected_places(n_layer + 1)


def test_identity_hooks_change_no_bit_and_others_do() -> None:
    dims = tiny()
    model, tokens, targets = network(dims, random_tensors(dims)), random_tokens(dims), random_tokens(dims, seed=2)
    logits, loss = model(tokens, targets)
    hooked_logits, hooked_loss = model(tokens, targets, tap=lambda _, x: x, drop=lambda _, x: x)
    assert torch.equal(logits, hooked_logits)
    assert torch.equal(loss, hooked_loss)
    for place in ("residual", "attn_logits", "attn_weights", "attn_branch", "ffn_hidden", "mlp_branch", "logits"):
        assert not torch.equal(logits, model(tokens, tap=scaled_at(place, 1.01))[0])
    for place in ("embedding", "attn_weights", "attn_out", "mlp_out"):
        assert not torch.equal(logits, model(tokens, drop=scaled_at(place, 1.01))[0])


def scaled_at(place: str, factor: float) -> Hook:
    return lambda here, x: x * factor if here == place else x


def stream(model: GPT, tokens: Tensor, *, change: Hook = identity) -> tuple[list[Tensor], list[Tensor]]:
    """Return the residual stream at its sites, and the branches in the order in which they are added."""
    places, seen, _ = record(model, tokens, change=change)
    taps = list(zip([place for place in places if not place.startswith("drop")], seen, strict=True))
    return [x for place, x in taps if place == "residual"], [x for place, x in taps if place.endswith("_branch")]


def test_the_stream_is_the_sum_of_what_the_taps_saw() -> None:
    dims = tiny()
    model, tokens = network(dims, random_tensors(dims)), random_tokens(dims)
    sites, branches = stream(model, tokens)
    assert len(branches) == 2 * dims.n_layer
    for before, branch, after in zip(sites, branches, sites[1:], strict=False):
        assert torch.equal(after, before + branch)  # one addition, the same one: not a bit is lost
        assert not torch.equal(after, before + branch.flip(0))


def test_a_tap_on_a_branch_changes_what_is_added() -> None:
    dims = tiny()
    model, tokens = network(dims, random_tensors(dims)), random_tokens(dims)
    sites, branches = stream(model, tokens, change=scaled_at("mlp_branch", 0.0))
    assert all(torch.equal(sites[i + 1], sites[i] + branches[i]) for i in (0, 2))
    assert all(torch.equal(sites[i + 1], sites[i]) for i in (1, 3))
    assert all(branches[i].abs().max() > 0.1 for i in (1, 3))  # the tap saw the branch before it was silenced


def test_drops_act_where_nanogpt_drops() -> None:
    dims = tiny(n_layer=1)
    tensors = random_tensors(dims)
    model, tokens = network(dims, tensors), random_tokens(dims)

    def silenced(place: str) -> tuple[Tensor, Tensor, Tensor]:
        """Return the embedding and both branches, tapped while ``place`` drops everything."""
        seen: dict[str, Tensor] = {}

        def tap(here: str, x: Tensor) -> Tensor:
            seen.setdefault(here, x.detach().clone())
            return x

        model(tokens, tap=tap, drop=scaled_at(place, 0.0))
        return seen["residual"], seen["attn_branch"], seen["mlp_branch"]

    embedding, attention, mlp = silenced("nowhere")
    assert min(x.abs().max() for x in (embedding, attention, mlp)) > 0.1
    assert silenced("embedding")[0].abs().max() == 0
    assert torch.equal(silenced("attn_out")[0], embedding)
    assert silenced("attn_out")[1].abs().max() == 0
    assert silenced("attn_out")[2].abs().max() > 0.1
    assert silenced("mlp_out")[2].abs().max() == 0
    assert torch.equal(silenced("mlp_out")[1], attention)
    bias = tensors["blocks.0.attn_out.bias"]  # without weights on the values, only the projection's bias is left
    assert torch.equal(silenced("attn_weights")[1], bias.expand_as(attention))


@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_no_token_sees_a_later_one(activation: str) -> None:
    dims = tiny()
    model, tokens = network(dims, random_tensors(dims), activation), random_tokens(dims, 1)
    later = torch.ones(dims.block_size, dims.block_size, dtype=torch.bool).triu(1)
    seen = influence(model, tokens)
    assert (seen[later] == 0).all()  # exactly: a masked weight is 0, not small
    assert (seen[~later] > 0).all()
    leaky = influence(model, tokens, drop=lambda place, x: x + 0.01 if place == "attn_weights" else x)
    assert (leaky > 0).all()


def influence(model: GPT, tokens: Tensor, drop: Hook = identity) -> Tensor:
    """Return (T, T): the largest gradient of logits t with respect to the embedding of token s."""
    embedded: list[Tensor] = []

    def tap(place: str, x: Tensor) -> Tensor:
        if not embedded:
            embedded.append(x.detach().requires_grad_())
            return embedded[0]
        return x

    logits, _ = model(tokens, tap=tap, drop=drop)
    # Weighted over the vocabulary: the plain sum of logits may have no gradient.
    direction = torch.linspace(-1, 1, logits.shape[-1])
    rows = [
        torch.autograd.grad((logits[:, t] * direction).sum(), embedded[0], retain_graph=True)[0]
        for t in range(tokens.shape[-1])
    ]
    return torch.stack([row.abs().amax((0, 2)) for row in rows])


def test_attention_is_the_sum_over_earlier_tokens_head_by_head() -> None:
    dims = tiny(n_layer=1)
    tensors = random_tensors(dims, dtype=torch.float64)
    block = network(dims, tensors).blocks[0]
    assert isinstance(block, Block)
    x = torch.randn(2, 5, dims.n_embd, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        attended = block.attention(x, causal_mask(5, x), identity, identity).numpy()
    arrays = {name.removeprefix("blocks.0."): tensor.numpy() for name, tensor in tensors.items()}
    # A dozen float64 roundings on numbers of order 1.
    assert np.abs(attended - attention_by_hand(x.numpy(), arrays, dims.n_head)).max() < 1e-12
    assert np.abs(attended - attention_by_hand(x.numpy(), arrays, dims.n_head // 2)).max() > 1e-3


def attention_by_hand(
    x: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    w: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]],
    n_head: int,
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    q, k, v = (x @ w[f"{role}.weight"].T + w[f"{role}.bias"] for role in ("query", "key", "value"))
    size = x.shape[-1] // n_head
    mixed = np.zeros_like(x)
    for b, t, head in np.ndindex(*x.shape[:2], n_head):
        part = slice(head * size, (head + 1) * size)
        scores = [float(q[b, t, part] @ k[b, s, part]) / math.sqrt(size) for s in range(t + 1)]
        total = sum(math.exp(score) for score in scores)
        mixed[b, t, part] = sum(math.exp(score) / total * v[b, s, part] for s, score in enumerate(scores))
    return mixed @ w["attn_out.weight"].T + w["attn_out.bias"]


def test_the_loss_is_the_mean_negative_log_likelihood() -> None:
    dims = tiny()
    model = network(dims, random_tensors(dims, dtype=torch.float64))
    tokens, targets = random_tokens(dims), random_tokens(dims, seed=2)
    with torch.no_grad():
        logits, loss = model(tokens, targets)
    assert loss is not None
    losses = []
    for row, target in zip(logits.flatten(0, 1).tolist(), targets.flatten().tolist(), strict=True):
        losses.append(math.log(math.fsum(math.exp(z) for z in row)) - row[target])
    by_hand = math.fsum(losses) / len(losses)
    assert abs(float(loss) - by_hand) < 1e-13 * by_hand  # a few hundred float64 roundings, most of which cancel
    assert abs(float(loss) - math.fsum(losses) / dims.block_size) > 0.1  # a sum over sequences is another number
    with torch.no_grad():
        assert abs(float(model(tokens, targets.flip(-1))[1]) - by_hand) > 1e-3
    assert model(tokens)[1] is None


def test_a_tied_head_is_the_embedding_and_an_untied_one_is_not() -> None:
    for tied in (True, False):
        dims = tiny(tied=tied)
        tensors = random_tensors(dims, dtype=torch.float64)
        head = tensors["token_embedding.weight" if tied else "lm_head.weight"]
        other = random_tensors(dims, seed=1, dtype=torch.float64)["token_embedding.weight"]
        final: list[Tensor] = []
        network(dims, tensors)(random_tokens(dims), tap=lambda _, x, seen=final: seen.append(x) or x)
        normed = nn.functional.layer_norm(
            final[-2], (dims.n_embd,), tensors["final_norm.weight"], tensors["final_norm.bias"], 1e-5
        )
        # Sums of 32 float64 products of order 1; another epsilon in the norm would show at 1e-5.
        torch.testing.assert_close(final[-1], normed @ head.T, rtol=0, atol=1e-13)
        assert not torch.allclose(final[-1], normed @ other.T, rtol=0.1, atol=0.1)


def code_without_docstrings(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [  # type: ignore[attr-defined]
                line for line in body if not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
            ] or [ast.Pass()]
    return ast.unparse(tree)


def inits_named_in(source: str) -> set[str]:
    """Return the registered inits, aliases included, that the code (not its comments) mentions in any spelling."""
    code = code_without_docstrings(source).lower().replace("_", "-")
    names = {name for canonical, _ in INITS.items() for name in (canonical, *INITS.aliases(canonical))}
    return {name for name in names if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", code)}


def test_the_model_names_no_init() -> None:
    source = Path(initlab.model.gpt.__file__).read_text()
    assert inits_named_in(source) == set()
    assert "initlab.inits" not in source
    assert inits_named_in(source + "\nif init == 'depth-scaled':\n    note_proj = 1\n") == {"depth-scaled"}
    assert inits_named_in(source + "\nfrom initlab.inits.gpt2 import gpt2") == {"gpt2"}


def test_a_skeleton_has_no_memory() -> None:
    dims = tiny()
    bare = skeleton(plain_network(dims), GELU)
    assert all(parameter.is_meta for parameter in bare.parameters())
    assert not list(bare.buffers())
    assert not any(parameter.is_meta for parameter in GPT(plain_network(dims), GELU).parameters())
    tokens, tensors = random_tokens(dims), random_tensors(dims)
    outside, _ = torch.func.functional_call(bare, tensors, (tokens,))
    assert torch.equal(outside, network(dims, tensors)(tokens)[0])


def test_building_draws_no_random_number() -> None:
    def moves_the_global_stream(build: Callable[[], object]) -> bool:
        before = torch.get_rng_state()
        build()
        return not torch.equal(before, torch.get_rng_state())

    assert not moves_the_global_stream(lambda: GPT(plain_network(tiny()), GELU))
    assert not moves_the_global_stream(lambda: skeleton(plain_network(tiny()), GELU))
    assert moves_the_global_stream(lambda: nn.Linear(2, 2))
