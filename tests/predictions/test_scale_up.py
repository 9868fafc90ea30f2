"""What a narrow proxy hides, and the std that carries over."""

import pytest

from initlab.errors import InitlabError
from initlab.inits.catalogue import blueprint_for
from initlab.predictions.inputs import PredictionInput
from initlab.predictions.scale_up import ScaleUp, at_target, follows_width, hint, scale_up
from initlab.spec.run import ModelSpec
from initlab.theory.tokens import TokenStatistics

NARROW = ModelSpec(n_layer=4, n_head=2, n_embd=64, block_size=32)


def of(init: str, model: ModelSpec = NARROW) -> PredictionInput:
    return PredictionInput(blueprint_for(model, init, "gelu", 256), "gelu", TokenStatistics.uniform(256), "uniform")


def look(init: str, **target: int) -> ScaleUp:
    found = scale_up(of(init), NARROW, target)
    assert found is not None
    return found


def test_heads_keep_their_width() -> None:
    assert at_target(NARROW, {"n_embd": 768}).n_head == 24  # 32 channels each, as here
    assert at_target(NARROW, {"n_embd": 768, "n_head": 12}).n_head == 12
    assert at_target(NARROW, {"n_embd": 100}).n_head in (2, 4)  # 3.1 does not divide


def test_a_target_that_is_no_model_is_refused() -> None:
    with pytest.raises(InitlabError, match="not divisible"):
        at_target(NARROW, {"n_embd": 100, "n_head": 3})


def test_the_offered_std_gives_the_mlp_the_targets_gain() -> None:
    """gain = width · std²: √(1024/64) = 4 times the std of 0.02."""
    found = look("gpt2", n_embd=1024)
    assert found.offer == "gpt2:std=0.08"
    assert found.offered is not None
    assert found.offered.mlp_ms == pytest.approx(found.target.mlp_ms, rel=1e-3)
    assert found.proxy.mlp_ms < found.target.mlp_ms / 100, "c_up·c_down: 16² apart, and gelu's square besides"
    assert found.target.growth > 100 * found.proxy.growth
    assert "gpt2:std=0.08" in found.describe()


def test_an_inits_own_parameters_are_kept() -> None:
    assert look("gpt2:std=0.01", n_embd=576).offer == "gpt2:std=0.03"
    assert look("normal:std=0.01,depth=inv-l", n_embd=576).offer == "normal:depth=inv-l,std=0.03"


@pytest.mark.parametrize("init", ["xavier", "normal:width=fan-in", "pytorch"])
def test_laws_that_know_the_width_need_no_offer(init: str) -> None:
    assert follows_width(of(init).blueprint, NARROW, init, "gelu")
    assert look(init, n_embd=1024).offer is None


def test_a_deeper_target_alone_needs_no_offer() -> None:
    found = look("gpt2", n_layer=16)
    assert found.offer is None
    assert found.target.growth > 2 * found.proxy.growth


def test_what_cannot_be_predicted_has_no_scale_up() -> None:
    assert scale_up(of("lsuv"), NARROW, {"n_embd": 256}) is None
    assert hint(of("lsuv"), NARROW) is None


def test_a_hint_is_for_narrow_networks_of_a_fixed_std() -> None:
    line = hint(of("gpt2"), NARROW)
    assert line is not None
    assert "width 64" in line
    assert "width 768" in line
    assert "\n" not in line
    assert hint(of("xavier"), NARROW) is None
    wide = NARROW.model_copy(update={"n_embd": 256, "n_head": 4})
    assert hint(of("gpt2", wide), wide) is None
    assert hint(of("zero-residual"), NARROW) is None, "it grows nowhere"


def test_a_scale_up_comes_back_from_its_document() -> None:
    wide, deep = look("gpt2", n_embd=512), look("gpt2", n_layer=8)
    assert (wide.offered is None, deep.offered is None) == (False, True)
    assert [ScaleUp.from_json(found.to_json()) for found in (wide, deep)] == [wide, deep]
