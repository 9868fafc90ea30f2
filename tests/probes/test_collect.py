"""The tap that measures sees what it should, and changes nothing of what it looks at."""

import itertools
import math
from typing import get_args

import pytest
import torch
from torch import Tensor
from torch.func import grad, vmap

from initlab.activations.functions import ACTIVATIONS
from initlab.engine.lane_model import Batch, LaneModel
from initlab.network.slot_table import plain_network
from initlab.network.topology import NormPlacement, Topology
from initlab.probes.collect import Collector, GradientMoment, n_sites
from initlab.probes.reductions import PROBES, Probe, second_moment
from tests.networks import Tensors, holding, network, random_tensors, random_tokens, random_values, tiny

pytestmark = pytest.mark.usefixtures("one_thread")


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def curved(x: Tensor) -> Tensor:
    """Return a scalar whose gradient differs from entry to entry."""
    return (x.sin() * torch.arange(1, x.numel() + 1, dtype=x.dtype).view(x.shape)).sum()


def mean_square(x: Tensor) -> float:
    values = x.double().flatten().tolist()
    return math.fsum(value * value for value in values) / len(values)


def measured_gradients(x: Tensor, sink: Tensor) -> tuple[Tensor, Tensor]:
    def loss(x: Tensor, sink: Tensor) -> Tensor:
        return curved(GradientMoment.apply(x, sink))

    gradients: tuple[Tensor, Tensor] = grad(loss, argnums=(0, 1))(x, sink)
    return gradients


def test_gradient_moment_is_the_identity_with_a_measured_gradient() -> None:
    x, sink = normal(2, 3, 5), torch.zeros(())
    assert torch.equal(GradientMoment.apply(x, sink), x)
    gradient, moment = measured_gradients(x, sink)
    plain = grad(curved)(x)
    assert torch.equal(gradient, plain)
    # A mean over 30 positive numbers in float32.
    assert float(moment) == pytest.approx(mean_square(plain), rel=1e-6)
    assert float(moment) != pytest.approx(mean_square(x), rel=0.1)  # the gradient's, not the value's
    assert float(moment) != pytest.approx(math.sqrt(mean_square(plain)), rel=0.1)  # a square, not a root


def test_gradient_moment_through_backward_leaves_the_value_of_the_sink_alone() -> None:
    x, sink = normal(2, 3, 5).requires_grad_(), torch.tensor(7.0, requires_grad=True)
    out = GradientMoment.apply(x, sink)
    curved(out).backward()
    assert torch.equal(out, x)
    assert x.grad is not None
    assert sink.grad is not None
    assert torch.equal(x.grad, grad(curved)(x.detach()))
    assert float(sink.grad) == pytest.approx(mean_square(x.grad), rel=1e-6)


def test_gradient_moment_under_vmap_is_each_lane_by_itself() -> None:
    lanes = normal(4, 2, 3, 5) * torch.tensor([0.1, 1.0, 3.0, 30.0]).view(4, 1, 1, 1)
    gradients, moments = vmap(measured_gradients)(lanes, torch.zeros(4))
    assert moments.shape == (4,)
    alone = [measured_gradients(lane, torch.zeros(())) for lane in lanes]
    assert torch.equal(gradients, torch.stack([gradient for gradient, _ in alone]))
    # The order of summation may differ between a lane in a batch and a lane alone.
    torch.testing.assert_close(moments, torch.stack([moment for _, moment in alone]), rtol=1e-6, atol=0)
    assert len({round(float(moment), 3) for moment in moments}) == 4
    # Not the moment of all lanes together.
    assert all(float(moment) != pytest.approx(mean_square(gradients), rel=1e-3) for moment in moments)


def test_collector_applies_each_probe_at_its_tap_in_order() -> None:
    collector = Collector(torch.zeros(2), dict(PROBES.items()))
    taps = [("residual", 1.0), ("attn_branch", 2.0), ("residual", 3.0), ("mlp_branch", 4.0), ("logits", 5.0)]
    taps += [("attn_logits", 1.0), ("attn_weights", 1.0), ("ffn_hidden", 1.0)]
    for seed, (tap, size) in enumerate(taps):
        x = normal(2, 3, 4, seed=seed) * size
        assert torch.equal(collector(tap, x), x)
    seen = collector.values()
    assert set(seen) == {name for name, _ in PROBES.items()}
    for name, places in {"residual_ms": [0, 2], "attn_ms": [1], "mlp_ms": [3]}.items():
        expected = [mean_square(normal(2, 3, 4, seed=i) * taps[i][1]) for i in places]
        assert seen[name].tolist() == pytest.approx(expected, rel=1e-6)
        assert seen[name].tolist() != pytest.approx(expected[::-1] if len(places) > 1 else [1.0], rel=1e-2)
    assert {name: len(values) for name, values in seen.items()} == {
        "residual_ms": 2,
        "residual_var": 2,
        "token_cosine": 2,
        "attn_logit_max": 1,
        "attn_entropy": 1,
        "attn_ms": 1,
        "dead_units": 1,
        "mlp_ms": 1,
        "logit_var": 1,
    }


def test_the_probes_are_those_that_are_given_registered_or_not() -> None:
    x = normal(2, 3, 4)
    largest = Probe(tap="logits", reduce=lambda x: x.abs().amax(), summary="largest entry")
    collector = Collector(torch.zeros(1), {"largest": largest})
    collector("logits", x)
    assert {name: values.tolist() for name, values in collector.values().items()} == {
        "largest": [float(x.abs().max())]
    }
    bare = Collector(torch.zeros(1), {})
    bare("logits", x)
    assert bare.values() == {}


@pytest.mark.parametrize(
    "topology",
    [
        *(Topology(norm_at=place) for place in get_args(NormPlacement)),
        Topology(parallel=True),
        Topology(norm="rmsnorm", embed_norm=True, sub_norm=True, qk_norm=True, positions="rotary", softcap=5.0),
    ],
    ids=lambda topology: f"{topology.norm_at} {topology.norm} parallel={topology.parallel}",
)
@pytest.mark.parametrize("n_layer", [1, 3])
def test_sinks_receive_the_gradient_at_every_site_of_the_stream(n_layer: int, topology: Topology) -> None:
    dims = tiny(n_layer=n_layer)
    shape = plain_network(dims, topology)
    model = holding(shape, random_values(shape.slots, dtype=torch.float64))
    tokens, targets = random_tokens(dims), random_tokens(dims, seed=2)
    kept: list[Tensor] = []

    def keep(tap: str, x: Tensor) -> Tensor:
        if tap == "residual":
            x.retain_grad()
            kept.append(x)
        return x

    model(tokens, targets, tap=keep)[1].backward()
    assert len(kept) == n_sites(n_layer) == 2 * n_layer + 1
    expected = [mean_square(x.grad) for x in kept if x.grad is not None]

    sinks = torch.zeros(n_sites(n_layer), dtype=torch.float64, requires_grad=True)
    collector = Collector(sinks, {"residual_ms": PROBES.get("residual_ms")})
    model(tokens, targets, tap=collector)[1].backward()
    assert collector.values()["residual_ms"].tolist() == pytest.approx([mean_square(x.detach()) for x in kept])
    assert sinks.grad is not None
    # The same float64 gradients, summed in another order.
    assert sinks.grad.tolist() == pytest.approx(expected, rel=1e-12)
    # Sites differ, but in a parallel block nothing but the skip reads the stream between the two branches.
    same = [a == pytest.approx(b, rel=1e-3) for a, b in itertools.pairwise(expected)]
    assert same == [False, topology.parallel] * n_layer


def test_one_sink_too_few_is_noticed() -> None:
    dims = tiny()
    model, tokens = network(dims, random_tensors(dims)), random_tokens(dims)
    model(tokens, tap=Collector(torch.zeros(n_sites(dims.n_layer)), {}))
    with pytest.raises(StopIteration):
        model(tokens, tap=Collector(torch.zeros(n_sites(dims.n_layer) - 1), {}))


def three_lanes(seed: int) -> tuple[Tensors, Batch]:
    dims = tiny()
    drawn = [random_tensors(dims, seed=seed + lane) for lane in range(3)]
    tokens = torch.stack([random_tokens(dims, seed=10 + lane) for lane in range(3)])
    targets = torch.stack([random_tokens(dims, seed=20 + lane) for lane in range(3)])
    parameters = {name: torch.stack([tensors[name] for tensors in drawn]) for name in drawn[0]}
    return parameters, Batch(tokens, targets, torch.arange(3))


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_a_probed_step_and_an_unprobed_one_differ_in_no_bit(dropout: float) -> None:
    model = LaneModel(plain_network(tiny()), ACTIVATIONS.get("gelu").function, dropout)
    parameters, batch = three_lanes(0)
    multipliers = {"blocks.1.ffn_down.weight": torch.tensor([1.0, 0.5, 2.0])}
    gradients, losses = model.step(parameters, multipliers, batch)
    probed_gradients, probed_losses, seen = model.probe(parameters, multipliers, batch)
    assert torch.equal(losses, probed_losses)
    assert gradients.keys() == probed_gradients.keys() == parameters.keys()
    assert all(torch.equal(gradients[name], probed_gradients[name]) for name in gradients)
    assert {name: tuple(values.shape) for name, values in seen.items()} == {
        "residual_ms": (3, 5),
        "residual_var": (3, 5),
        "token_cosine": (3, 5),
        "attn_logit_max": (3, 2),
        "attn_entropy": (3, 2),
        "attn_ms": (3, 2),
        "dead_units": (3, 2),
        "mlp_ms": (3, 2),
        "logit_var": (3, 1),
        "grad_rms": (3, 5),
    }
    others, _ = model.step(three_lanes(5)[0], multipliers, batch)
    assert not any(torch.equal(gradients[name], others[name]) for name in gradients)


def test_a_probe_that_touched_the_network_would_be_caught() -> None:
    class Meddler(Collector):
        def __call__(self, tap: str, x: Tensor) -> Tensor:
            return super().__call__(tap, x) * (1 + 2.0**-20 if tap == "residual" else 1)

    dims = tiny()
    model = network(dims, random_tensors(dims))
    tokens = random_tokens(dims)
    sinks, built_in = torch.zeros(n_sites(dims.n_layer)), dict(PROBES.items())
    assert torch.equal(model(tokens)[0], model(tokens, tap=Collector(sinks, built_in))[0])
    assert not torch.equal(model(tokens)[0], model(tokens, tap=Meddler(sinks, built_in))[0])


def test_probes_keep_no_graph() -> None:
    x = normal(2, 3, 4).requires_grad_()
    collector = Collector(torch.zeros(1), dict(PROBES.items()))
    passed = collector("residual", x)
    assert not any(values.requires_grad for values in collector.values().values())
    assert passed.requires_grad
    assert second_moment(passed).requires_grad
