"""Lanes against a plain loop over single networks."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap

from initlab.activations.functions import ACTIVATIONS
from initlab.engine.dropout import CounterDropout, step_key
from initlab.engine.lane_model import Batch, LaneModel, differentiated
from initlab.model.gpt import GPT
from initlab.network.slot_table import plain_network
from initlab.network.topology import Dims
from tests.networks import Tensors, network, random_tensors, random_tokens, tiny

LANES = 3
ACTIVATION = ACTIVATIONS.get("gelu").function

# float64: a network of two layers is some ten sums of at most 80 products each; 1e-12 is five thousand roundings.
ROUNDING = 1e-12


def stacked(dims: Dims, dtype: torch.dtype = torch.float64) -> Tensors:
    lanes = [random_tensors(dims, seed=seed, dtype=dtype) for seed in range(LANES)]
    return {name: torch.stack([tensors[name] for tensors in lanes]) for name in lanes[0]}


def batch(dims: Dims) -> Batch:
    text = torch.stack([random_tokens(dims, seed=seed, extra=1) for seed in range(LANES)])
    keys = torch.tensor([step_key(seed, 3) for seed in range(LANES)])
    return Batch(text[..., :-1], text[..., 1:], keys)


def lane_model(dims: Dims, dropout: float = 0.0) -> LaneModel:
    return LaneModel(plain_network(dims), ACTIVATION, dropout)


def single(
    dims: Dims,
    parameters: Tensors,
    data: Batch,
    lane: int,
    *,
    dropout: float = 0.0,
    multipliers: Tensors | None = None,
) -> tuple[float, Tensors]:
    """Return one network's loss and gradients by ordinary autograd; multipliers multiply the weights."""
    own = {name: x[lane].clone().requires_grad_() for name, x in parameters.items()}
    factors = {name: x[lane] for name, x in (multipliers or {}).items()}
    weights = {name: x * factors.get(name, 1.0) for name, x in own.items()}
    drop: Callable[[str, Tensor], Tensor] = lambda place, x: x  # noqa: E731
    if dropout:
        drop = CounterDropout(dropout, data.keys[lane])
    model = GPT(plain_network(dims), ACTIVATION).double()
    loss = functional_call(model, weights, (data.tokens[lane], data.targets[lane]), {"drop": drop})[1]
    gradients = torch.autograd.grad(loss, list(own.values()))
    return float(loss.detach()), dict(zip(own, gradients, strict=True))


def assert_lanes_are_singles(
    found: tuple[Tensors, Tensor], dims: Dims, parameters: Tensors, data: Batch, *, dropout: float = 0.0,
    multipliers: Tensors | None = None,
) -> None:  # fmt: skip
    gradients, losses = found
    assert losses.shape == (LANES,)
    for lane in range(LANES):
        loss, own = single(dims, parameters, data, lane, dropout=dropout, multipliers=multipliers)
        assert float(losses[lane]) == pytest.approx(loss, rel=ROUNDING)
        assert gradients.keys() == own.keys()
        for name in own:
            assert torch.allclose(gradients[name][lane], own[name], rtol=ROUNDING, atol=ROUNDING), name


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize(("tied", "bias"), [(True, True), (False, False)])
def test_lanes_are_single_networks(tied: bool, bias: bool, dropout: float) -> None:
    dims = tiny(tied=tied, bias=bias)
    parameters, data = stacked(dims), batch(dims)
    found = lane_model(dims, dropout).step(parameters, {}, data)
    assert_lanes_are_singles(found, dims, parameters, data, dropout=dropout)


def test_the_comparison_sees_a_wrong_lane_and_a_forgotten_dropout() -> None:
    dims = tiny()
    parameters, data = stacked(dims), batch(dims)
    found = lane_model(dims).step(parameters, {}, data)
    shifted = {name: x.roll(1, 0) for name, x in parameters.items()}
    with pytest.raises(AssertionError):
        assert_lanes_are_singles(found, dims, shifted, data)
    with pytest.raises(AssertionError):
        assert_lanes_are_singles(found, dims, parameters, data, dropout=0.3)


def test_gradients_lie_in_memory_as_their_parameters() -> None:
    dims = tiny()
    parameters, data = stacked(dims), batch(dims)
    stepped, _ = lane_model(dims).step(parameters, {}, data)
    probed, _, _ = lane_model(dims).probe(parameters, {}, data)
    for name, x in parameters.items():
        assert stepped[name].stride() == probed[name].stride() == x.stride(), name


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_probing_changes_no_bit_of_the_step(dropout: float) -> None:
    dims = tiny()
    parameters, data = stacked(dims, torch.float32), batch(dims)
    stepped, losses = lane_model(dims, dropout).step(parameters, {}, data)
    probed, same, seen = lane_model(dims, dropout).probe(parameters, {}, data)
    assert torch.equal(losses, same)
    assert all(torch.equal(stepped[name], probed[name]) for name in parameters)
    assert {name: tuple(values.shape) for name, values in seen.items()} == {
        "residual_ms": (LANES, 5),
        "residual_var": (LANES, 5),
        "token_cosine": (LANES, 5),
        "attn_logit_max": (LANES, 2),
        "attn_entropy": (LANES, 2),
        "attn_ms": (LANES, 2),
        "dead_units": (LANES, 2),
        "mlp_ms": (LANES, 2),
        "logit_var": (LANES, 1),
        "grad_rms": (LANES, 5),
    }


def test_what_probes_see_is_each_networks_own_stream() -> None:
    dims = tiny()
    parameters, data = stacked(dims), batch(dims)
    _, _, seen = lane_model(dims).probe(parameters, {}, data)
    for lane in range(LANES):
        sites: list[Tensor] = []

        def tap(place: str, x: Tensor, sites: list[Tensor] = sites) -> Tensor:
            if place == "residual":
                x.retain_grad()
                sites.append(x)
            return x

        model = network(dims, {name: x[lane] for name, x in parameters.items()})
        model(data.tokens[lane], data.targets[lane], tap=tap)[1].backward()
        moments = [float(x.detach().square().mean()) for x in sites]
        slopes = [float(x.grad.square().mean().sqrt()) for x in sites if x.grad is not None]
        assert seen["residual_ms"][lane].tolist() == pytest.approx(moments, rel=ROUNDING)
        assert seen["grad_rms"][lane].tolist() == pytest.approx(slopes, rel=1e-10)


def test_evaluation_drops_nothing_and_keeps_no_graph() -> None:
    dims = tiny()
    parameters, data = stacked(dims), batch(dims)
    without = lane_model(dims).step(parameters, {}, data)[1]
    evaluated = lane_model(dims, 0.5).evaluate(parameters, {}, data.tokens, data.targets)
    assert evaluated.tolist() == pytest.approx(without.tolist(), rel=ROUNDING)
    assert not evaluated.requires_grad
    dropped = lane_model(dims, 0.5).step(parameters, {}, data)[1]
    assert dropped.tolist() != pytest.approx(without.tolist(), rel=1e-3)


def test_multipliers_act_as_multiplied_weights() -> None:
    dims = tiny()
    parameters, data = stacked(dims), batch(dims)
    names = ("token_embedding.weight", "blocks.1.ffn_down.weight", "blocks.0.query.bias")
    factors = {name: torch.tensor([0.5, 1.0, 3.0], dtype=torch.float64) for name in names}
    found = lane_model(dims).step(parameters, factors, data)
    assert_lanes_are_singles(found, dims, parameters, data, multipliers=factors)
    with pytest.raises(AssertionError):
        assert_lanes_are_singles(found, dims, parameters, data)
    _, losses, _ = lane_model(dims).probe(parameters, factors, data)
    assert torch.equal(losses, found[1])
    evaluated = lane_model(dims).evaluate(parameters, factors, data.tokens, data.targets)
    assert evaluated.tolist() == pytest.approx(losses.tolist(), rel=ROUNDING)


@pytest.mark.parametrize("c", [4.0, 0.25])
def test_a_multiplier_of_c_undoes_a_weight_divided_by_c(c: float) -> None:
    # The abc-parametrisation (Yang & Hu, arXiv 2011.14522) at init; powers of two are exact, so the loss is the
    # same bit for bit, and the gradient of the stored weight is c times as large.
    dims = tiny()
    parameters, data = stacked(dims, torch.float32), batch(dims)
    name = "blocks.0.ffn_up.weight"
    divided = {**parameters, name: parameters[name] / c}
    plain, losses = lane_model(dims).step(parameters, {}, data)
    scaled, same = lane_model(dims).step(divided, {name: torch.full((LANES,), c)}, data)
    assert torch.equal(losses, same)
    assert torch.equal(scaled[name], plain[name] * c)
    assert all(torch.equal(scaled[other], plain[other]) for other in plain if other != name)


def test_lanes_need_not_share_multipliers() -> None:
    dims = tiny()
    parameters, data = stacked(dims, torch.float32), batch(dims)
    name = "blocks.0.value.weight"
    _, plain = lane_model(dims).step(parameters, {}, data)
    _, one = lane_model(dims).step(parameters, {name: torch.tensor([1.0, 7.0, 1.0])}, data)
    assert torch.equal(one[[0, 2]], plain[[0, 2]])
    assert one[1] != plain[1]


@pytest.mark.parametrize("together", [True, False])
def test_differentiated_is_functorchs_gradient_of_every_lane(together: bool) -> None:
    def loss(leaves: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
        y = (x @ leaves["w"]).tanh()
        return y.square().mean(), y.detach().amax()

    torch.manual_seed(0)
    leaves = {"w": torch.randn(3, 4, 5), "unused": torch.randn(3, 2)}
    x = torch.randn(3, 6, 4)
    wanted, (losses, _) = vmap(grad_and_value(loss, has_aux=True))(leaves, x)
    gradients, (found, largest) = differentiated(loss, together)(leaves, x)
    assert torch.equal(gradients["unused"], torch.zeros(3, 2)), "what the loss does not depend on has no gradient"
    torch.testing.assert_close(gradients["w"], wanted["w"])
    torch.testing.assert_close(found, losses)
    assert largest.shape == (3,)
    assert not found.requires_grad
