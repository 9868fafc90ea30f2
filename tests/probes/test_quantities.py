"""What a row of layers.jsonl may hold, against the rows that the engine makes."""

from dataclasses import replace

import numpy as np
import pytest

from initlab.data.corpus import Corpus
from initlab.engine.group import Group
from initlab.network.slots import HIDDEN_ROLES
from initlab.probes.quantities import BACKWARD_PROBES, UPDATE_PROBES, Quantity, update_ratio
from initlab.probes.reductions import PROBES, Probe, is_positive, quantities, stored_quantities, unit_of
from initlab.spec.run import ModelSpec, RunSpec, TrainSpec

pytestmark = pytest.mark.usefixtures("one_thread")

N_LAYER = 3
TOKENS = np.random.Generator(np.random.Philox(0)).integers(0, 32, 2000).astype(np.uint16)
CORPUS = Corpus.of("noise", (TOKENS[:1500], TOKENS[1500:]), tokenizer="ids", vocab_size=32)


def rows(probes: dict[str, Probe] | None = None) -> list[dict[str, object]]:
    """Return the probed rows of one step of a gated network: all matrices that there are."""
    spec = RunSpec(
        model=ModelSpec(n_layer=N_LAYER, n_head=2, n_embd=16, block_size=8),
        train=TrainSpec(steps=1, batch_size=2, eval_batches=1),
        activation="swiglu",
    )
    return [record.row for record in Group([spec], [CORPUS], probes=probes).run() if record.kind == "layers"]


def misfits(row: dict[str, object], known: dict[str, Quantity]) -> list[str]:
    """Name what a row holds that is not declared, or at another number of sites."""
    measured = {name: value for name, value in row.items() if name not in ("step", "loss")}
    return [
        name
        for name, value in measured.items()
        if name not in known
        or (len(value) if isinstance(value, list) else 1) != len(known[name].sites(N_LAYER))
        or isinstance(value, list) == (known[name].layout == "end")
    ]


def test_every_number_of_a_row_is_declared_with_its_sites() -> None:
    first, last = rows()
    assert set(first) == {"step", "loss", *(name for name, _ in PROBES.items()), *BACKWARD_PROBES}
    assert set(last) - set(first) == set(UPDATE_PROBES)
    assert misfits(first, quantities()) == misfits(last, quantities()) == []


def test_a_wrong_declaration_would_be_noticed() -> None:
    known = quantities()
    wrong = {
        **known,
        "grad_rms": replace(known["grad_rms"], layout="block"),
        "logit_var": replace(known["logit_var"], layout="block"),
    }
    del wrong["update_ratio_key"]
    assert misfits(rows()[1], wrong) == ["logit_var", "grad_rms", "update_ratio_key"]


def test_a_group_measures_what_it_is_given_and_nothing_else() -> None:
    one = Probe(tap="ffn_gate", reduce=lambda x: x.amax(), summary="largest pre-activation of a gate")
    with PROBES.temporarily("ambient", replace(one, tap="logits")):
        given = {"residual_ms": PROBES.get("residual_ms"), "gate_max": one}
        assert set(rows(given)[0]) == {"step", "loss", "residual_ms", "gate_max", *BACKWARD_PROBES}
        assert "ambient" in rows()[0]  # where nothing is given: the twin
    assert misfits(rows(given)[0], {**quantities(), "gate_max": one.quantity}) == []


def test_moments_and_ratios_are_compared_on_the_log_scale() -> None:
    assert {name for name, quantity in quantities().items() if quantity.positive} == {
        *("residual_ms", "residual_var", "attn_ms", "mlp_ms", "logit_var", "grad_rms", "weight_grad_rms"),
        *(f"update_ratio_{role}" for role in HIDDEN_ROLES),
    }
    assert not is_positive("token_cosine")
    assert not is_positive("a_stranger_ms"), "a name says nothing"
    assert (unit_of("logit_var"), unit_of("residual_ms"), unit_of("a_stranger")) == ("nats²", "", "")


def test_what_is_about_attention_stands_where_attention_ends() -> None:
    known = quantities()
    for role in ("query", "key", "value", "attn_out"):
        assert list(known[update_ratio(role)].sites(2)) == [1, 3]
    for role in ("ffn_gate", "ffn_up", "ffn_down"):
        assert list(known[update_ratio(role)].sites(2)) == [2, 4]
    assert list(known["weight_grad_rms"].sites(2)) == [2, 4]
    assert list(known["grad_rms"].sites(2)) == [0, 1, 2, 3, 4]


def test_a_probe_that_is_gone_stands_where_it_was_tapped() -> None:
    known = stored_quantities({"peak": "attn_logits", "old": "a tap of another version", "residual_ms": "logits"})
    assert list(known["peak"].sites(2)) == [1, 3]
    assert "old" not in known
    assert list(known["residual_ms"].sites(2)) == [0, 1, 2, 3, 4], "what is registered knows better"
    assert known.keys() - {"peak"} == quantities().keys()


def test_reserved_names_are_those_that_the_engine_writes() -> None:
    entry = PROBES.get("logit_var")
    for name in ("step", "loss", *BACKWARD_PROBES, *UPDATE_PROBES):
        with pytest.raises(Exception, match="has a name that initlab needs for itself"):
            PROBES.add(name, entry)
