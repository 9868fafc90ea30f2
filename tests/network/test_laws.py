import json
import math
from dataclasses import FrozenInstanceError
from typing import Any, get_args

import numpy as np
import pytest
from scipy.stats import truncnorm

from initlab.network.laws import ONES, ZEROS, Constant, Dist, Law, Normal, Orthogonal, TruncNormal, Uniform, scale
from initlab.network.slots import SCALE_ROLES, Role, Slot
from initlab.network.topology import Topology
from tests.networks import tiny

NODES, WEIGHTS = np.polynomial.legendre.leggauss(400)
"""Exact for polynomials up to degree 799: ample for smooth densities on a bounded interval."""


def moment(dist: Dist, power: int) -> float:
    """Return the moment about 0 by quadrature over the density, from the law's family and support alone."""
    if isinstance(dist, Uniform):
        low, high = dist.support
        x = low + (high - low) * (NODES + 1) / 2
        return float(np.sum(WEIGHTS / 2 * x**power))
    x = 12 * NODES  # in units of std: the mass beyond 12 is below 1e-32
    density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return float(np.sum(12 * WEIGHTS * density * x**power)) * dist.std**power


@pytest.mark.parametrize("dist", [Normal(0.02), Normal(1.0), Uniform(0.02), Uniform(1 / 48)])
def test_declared_moments_are_those_of_the_density(dist: Dist) -> None:
    assert moment(dist, 0) == pytest.approx(1, rel=1e-12)
    assert moment(dist, 1) == pytest.approx(dist.mean, abs=1e-12)
    assert moment(dist, 2) == pytest.approx(dist.std**2, rel=1e-12)
    assert moment(dist, 4) == pytest.approx(dist.kurtosis * dist.std**4, rel=1e-12)


def test_uniform_support_is_torchs_bound() -> None:
    # torch.nn.Linear draws U(±1/√fan_in); the variance of U(±b) is b²/3, so its std is 1/√(3·fan_in).
    low, high = Uniform(1 / math.sqrt(3 * 64)).support
    assert high == pytest.approx(1 / 8, rel=1e-15)
    assert low == -high


@pytest.mark.parametrize("cut", [0.5, 1.0, 2.0, 3.0, 6.0])
def test_a_cut_normals_moments_are_scipys(cut: float) -> None:
    variance, excess = truncnorm.stats(-cut, cut, moments="vk")
    dist = TruncNormal(0.02, cut)
    assert dist.std == pytest.approx(0.02 * math.sqrt(variance), rel=1e-12)
    assert dist.kurtosis == pytest.approx(3 + excess, rel=1e-9)
    assert dist.support == (-0.02 * cut, 0.02 * cut)
    assert TruncNormal.of_std(0.02, cut).std == pytest.approx(0.02, rel=1e-14)
    assert TruncNormal.of_std(0.02, cut).kurtosis == dist.kurtosis  # a matter of shape, not of size


def test_what_a_cut_leaves() -> None:
    # √(1 - 2cφ(c)/(2Φ(c) - 1)): the factor by which TensorFlow's and torch's truncated normals are narrower.
    assert TruncNormal(1.0, 2.0).std == pytest.approx(0.87962566103424, rel=1e-13)
    assert TruncNormal(1.0, 3.0).std == pytest.approx(0.98657839255811, rel=1e-13)
    assert TruncNormal(1.0, 100.0).std == 1.0  # torch's default bounds of ±2 on a std of .02 cut nothing


def test_an_orthogonal_laws_kurtosis_is_a_bound() -> None:
    # An entry of a uniform unit vector of n numbers: E x⁴ = 3/(n(n+2)), E x² = 1/n, so 3n/(n+2) < 3.
    exact = [3 * n / (n + 2) for n in (4, 64, 768)]
    assert exact == sorted(exact)
    assert exact[-1] < Orthogonal(1.0).kurtosis
    assert Orthogonal(1.0).kurtosis == pytest.approx(exact[-1], rel=3e-3)


def test_supports_of_normal_and_constant() -> None:
    assert Normal(0.02).support == (-math.inf, math.inf)
    assert Constant(0.25).support == (0.25, 0.25)
    assert (ZEROS.mean, ZEROS.std) == (0.0, 0.0)
    assert (ONES.mean, ONES.std) == (1.0, 0.0)


def test_scaling_a_law_scales_its_draws() -> None:
    assert scale(Normal(0.5), 4.0) == Normal(2.0)
    assert scale(Uniform(0.5), 0.25) == Uniform(0.125)
    assert scale(Uniform(0.5), 0.25).support == (-math.sqrt(3) / 8, math.sqrt(3) / 8)
    assert scale(TruncNormal(0.5, 2.0), 4.0) == TruncNormal(2.0, 2.0)
    assert scale(Orthogonal(0.5), 4.0) == Orthogonal(2.0)
    assert scale(ONES, -0.5) == Constant(-0.5)
    assert scale(ZEROS, 7.0) == ZEROS


def test_a_negative_factor_mirrors_a_symmetric_law_which_changes_nothing() -> None:
    assert scale(Normal(0.5), -2.0) == Normal(1.0)
    assert scale(TruncNormal(0.5, 3.0), -2.0) == TruncNormal(1.0, 3.0)


@pytest.mark.parametrize("value", [Normal(1.0), Law(dist=ZEROS), tiny(), Topology()])
def test_values_are_frozen_and_hashable(value: Any) -> None:
    assert hash(value) == hash(value)
    name = next(iter(value.__dict__))
    with pytest.raises(FrozenInstanceError):
        setattr(value, name, 0)


def test_laws_of_one_std_but_another_family_differ() -> None:
    laws: list[Dist] = [Normal(0.5), Uniform(0.5), Normal(0.5), Constant(0.0), ZEROS]
    assert len(set(laws)) == 3


def test_a_law_as_data_says_everything() -> None:
    law = Law(dist=Uniform(0.5), mult=2.0, lr=0.25, wd=4.0, eps=8.0, train=False)
    assert law.to_json() == {
        "dist": "uniform",
        "mean": 0.0,
        "std": 0.5,
        "mult": 2.0,
        "lr": 0.25,
        "wd": 4.0,
        "eps": 8.0,
        "train": False,
        "joint": False,
        "calibrated": False,
    }
    assert json.loads(json.dumps(law.to_json())) == law.to_json()


@pytest.mark.parametrize("hook", ["joint", "calibrated"])
def test_what_a_hook_decides_is_promised_by_no_law(hook: str) -> None:
    assert Law(dist=ZEROS).is_zero
    assert not Law(dist=Constant(1e-30)).is_zero
    assert Law(dist=Normal(0.0)).is_zero  # whatever it is called
    assert not Law(dist=ONES).is_zero
    hooked = Law(dist=ZEROS, **{hook: True})
    assert not hooked.is_zero
    assert hooked.to_json()["std"] is None
    assert hooked.to_json()[hook] is True


def test_a_plain_law_leaves_the_optimizer_alone() -> None:
    law = Law(dist=Normal(1.0))
    assert (law.mult, law.lr, law.wd, law.eps, law.train) == (1, 1, 1, 1, True)


def test_topology_as_data() -> None:
    assert Topology().to_json() == {
        "norm_at": "pre",
        "final_norm": True,
        "norm": "layernorm",
        "norm_gain": "plain",
        "embed_norm": False,
        "sub_norm": False,
        "qk_norm": False,
        "positions": "learned",
        "parallel": False,
        "softcap": None,
        "channel_scales": False,
        "shared_scales": False,
    }


@pytest.mark.parametrize(
    ("norm_at", "before", "on_branch", "after", "final"),
    [
        ("pre", True, False, False, True),
        ("post", False, False, True, False),  # what leaves the last block has just been normalised
        ("sandwich", True, True, False, True),
        ("branch-out", False, True, False, True),
        ("none", False, False, False, False),
    ],
)
def test_where_norms_stand(norm_at: Any, before: bool, on_branch: bool, after: bool, final: bool) -> None:
    found = Topology(norm_at=norm_at)
    assert (found.norm_before, found.norm_branch, found.norm_after, found.final_norm) == (
        before,
        on_branch,
        after,
        final,
    )


def slot(role: Any, **fields: Any) -> Slot:
    return Slot(name="a", role=role, shape=(2, 3), fan_in=3, fan_out=2, dims=tiny(), **fields)


@pytest.mark.parametrize(
    ("role", "linear", "embedding", "writes"),
    [
        ("query", True, False, False),
        ("key", True, False, False),
        ("value", True, False, False),
        ("attn_out", True, False, True),
        ("ffn_up", True, False, False),
        ("ffn_down", True, False, True),
        ("lm_head", True, False, False),
        ("token_embedding", False, True, False),
        ("position_embedding", False, True, False),
        ("norm_gain", False, False, False),
        ("norm_bias", False, False, False),
        ("bias", False, False, False),
    ],
)
def test_what_a_role_is(role: str, linear: bool, embedding: bool, writes: bool) -> None:
    one = slot(role)
    assert (one.is_linear, one.is_embedding, one.writes_residual) == (linear, embedding, writes)
    assert one.is_weight == (linear or embedding)


def test_a_tied_token_embedding_is_a_matrix_too() -> None:
    tied = slot("token_embedding", aliases=("lm_head",))
    assert tied.is_linear
    assert tied.is_embedding
    assert not slot("token_embedding").is_linear


def test_a_bias_of_a_residual_projection_is_not_one() -> None:
    assert not slot("bias", of="attn_out").writes_residual


def test_ratios_to_the_base() -> None:
    dims = tiny(n_embd=96, n_layer=12, base_n_embd=32, base_n_layer=2)
    assert (dims.width_ratio, dims.depth_ratio, dims.head_size) == (3.0, 6.0, 24)


def test_multipliers_and_scalar_biases_are_extra_and_weights_are_not() -> None:
    assert {role for role in get_args(Role) if slot(role).is_extra} == SCALE_ROLES | {"scalar_bias"}
    assert not any(slot(role).is_weight for role in SCALE_ROLES)


def test_where_a_normal_is_cut_is_part_of_its_identity() -> None:
    once, twice = (Law(dist=TruncNormal.of_std(0.02, cut)).to_json() for cut in (2.0, 3.0))
    assert once["std"] == pytest.approx(twice["std"])
    assert (once["cut"], twice["cut"]) == (2.0, 3.0)
    assert "cut" not in Law(dist=Normal(0.02)).to_json()
