"""Recipes for depth: residual multipliers, norms elsewhere or nowhere, branches that start silent."""

import math
from dataclasses import replace
from typing import Literal

from initlab.inits.calibrate import profile_skips
from initlab.inits.classic import FAIRSEQ, LLAMA, fairseq_bias, glorot_std, kaiming, width_normal, xavier_uniform
from initlab.inits.compose import (
    Factor,
    Rules,
    fixed,
    for_each,
    inv_sqrt_2l,
    inv_sqrt_width,
    normal,
    override,
    role_in,
    root_width,
    scaled,
    trained,
    weights,
    without_biases,
)
from initlab.inits.gpt2 import torch_linear, torch_weight
from initlab.inits.strategy import LawFunction, Strategy, init
from initlab.network.laws import ONES, ZEROS, Dist, Law, Normal, Uniform
from initlab.network.slots import (
    ATTENTION_ROLES,
    ATTN_OUT,
    BIAS,
    BRANCH_SCALE,
    EMBED_SCALE,
    EMBEDDING_ROLES,
    FFN_DOWN,
    FFN_INPUT_ROLES,
    FFN_ROLES,
    KEY,
    LM_HEAD,
    LOGIT_SCALE,
    MATRIX_SCALE,
    NORM_SCALE,
    POSITION_EMBEDDING,
    QKV_ROLES,
    QUERY,
    RESIDUAL_WRITERS,
    SCALAR_BIAS,
    SKIP_SCALE,
    TOKEN_EMBEDDING,
    VALUE,
    Slot,
)
from initlab.network.source_network import SourceNetwork
from initlab.network.topology import Topology

VALUE_PATH = (VALUE, ATTN_OUT, *FFN_ROLES)
"""The matrices whose product with the input a branch adds: all of a block's but queries and keys."""


def _branches(slot: Slot) -> int:
    return 2 * slot.dims.n_layer


def _deepnorm_beta(slot: Slot) -> float:
    """β of a decoder without encoder: (8L)^(-1/4), Wang et al., arXiv 2203.00555, table of figure 2."""
    return float((8 * slot.dims.n_layer) ** -0.25)


def _deepnorm_alpha(slot: Slot) -> Law:
    """α of a decoder without encoder: (2L)^(1/4), same place."""
    return fixed(_branches(slot) ** 0.25)


@init(
    "deepnorm",
    source="Wang et al., arXiv 2203.00555, figure 2; LiyuanLucasLiu/Transformer-Clinic (deepnet)",
    network="its paper puts it on translation models of several kinds",
)
def deepnorm() -> Strategy:
    """Post-norm with a heavier skip: LN(α·x + f(x)), and value path, output and MLP drawn smaller by β.

    α and β grow and shrink with the fourth root of depth so that one update changes the whole network's output by a
    bounded amount. Xavier-normal matrices.
    """
    base = override(
        weights(lambda slot: Normal(glorot_std(slot))),
        {
            **_gpt2_tables(),
            SKIP_SCALE: _deepnorm_alpha,
        },
    )
    return Strategy(scaled(base, role_in(*VALUE_PATH), _deepnorm_beta), Topology(norm_at="post"))


TORCHSCALE = SourceNetwork(tied=False)
"""microsoft/torchscale architecture/config.py (DecoderConfig): learned positions, an untied head, GELU."""


def _torchscale() -> LawFunction:
    """torch's own linears, and torchscale's tables (component/embedding.py): tokens N(0, 1/d), positions N(0, 1)."""
    return override(
        weights(torch_linear, biases=torch_linear),
        {TOKEN_EMBEDDING: width_normal, POSITION_EMBEDDING: Normal(1.0), LM_HEAD: width_normal},
    )


@init(
    "deepnorm-torchscale",
    source="microsoft/torchscale architecture/decoder.py, component/multihead_attention.py, component/embedding.py",
    network=TORCHSCALE,
)
def deepnorm_torchscale(embed_scale: bool = False) -> Strategy:
    """DeepNorm as torchscale's code has it: PyTorch's own draws divided by (8L)^(1/4), biases included.

    The attention's Xavier reset is never called, so the base is torch.nn.Linear's. Positions keep
    torch.nn.Embedding's unit normal beside tokens of variance 1/width, which are multiplied by √width only with
    ``embed_scale`` (torchscale scales no embedding by default): the stream starts as positions.
    torchscale's decoder config leaves the norms in front of the branches unless told otherwise; here they stand where
    the paper has them.
    """
    scale: Rules = {EMBED_SCALE: root_width} if embed_scale else {}
    base = override(_torchscale(), {SKIP_SCALE: _deepnorm_alpha, **scale})
    return Strategy(scaled(base, _on_value_path, _deepnorm_beta), Topology(norm_at="post"))


def _on_value_path(slot: Slot) -> bool:
    """A matrix of the value path, or the bias of one."""
    return slot.role in VALUE_PATH or (slot.role == BIAS and slot.of in VALUE_PATH)


def _magneto_gamma(slot: Slot) -> float:
    """γ of a decoder without encoder: √(ln 2L), Wang et al., arXiv 2210.06423."""
    return math.sqrt(math.log(_branches(slot)))


@init(
    "sub-ln",
    aliases=("magneto",),
    source="Wang et al., arXiv 2210.06423; microsoft/torchscale architecture/decoder.py",
    network=TORCHSCALE,
)
def sub_ln(base: Literal["gpt2", "xavier", "torch"] = "gpt2") -> Strategy:
    """A second norm inside every branch, before its output projection; value path and MLP enlarged by √(ln 2L).

    The rule is a factor on whatever the matrices were drawn with: GPT-2's normal here, Xavier in the paper's figure,
    torch's own in torchscale's code (``base=torch``, with torchscale's tables).
    """
    laws: dict[str, LawFunction] = {
        "gpt2": normal(0.02),
        "xavier": override(weights(lambda slot: Normal(glorot_std(slot))), _gpt2_tables()),
        "torch": _torchscale(),
    }
    return Strategy(scaled(laws[base], _on_value_path, _magneto_gamma), Topology(sub_norm=True))


def _gpt2_tables() -> Rules:
    return for_each((*EMBEDDING_ROLES, LM_HEAD), Normal(0.02))


@init(
    "t-fixup",
    source="Huang et al., ICML 2020; layer6ai-labs/T-Fixup fairseq/models/transformer.py",
    network=FAIRSEQ,
)
def t_fixup() -> Strategy:
    """Transformers without norms and without warm-up: the decoder's value path, MLP and tokens times (9L)^(-1/4).

    Everything is Xavier uniform, queries and keys at fairseq's gain. The rule is the one for decoders with
    cross-attention, three branches a layer; the paper has none for decoders alone. Biases of queries, keys and values
    are torch's, as in fairseq.
    """

    def factor(slot: Slot) -> float:
        return float((9 * slot.dims.n_layer) ** -0.25)

    attention = for_each((QUERY, KEY), lambda slot: Uniform(glorot_std(slot, 1 / math.sqrt(2))))
    tables = for_each((*EMBEDDING_ROLES, LM_HEAD), width_normal)
    rules: Rules = {**attention, **tables, EMBED_SCALE: root_width}
    base = override(weights(xavier_uniform, biases=fairseq_bias), rules)
    return Strategy(
        scaled(base, role_in(*VALUE_PATH, TOKEN_EMBEDDING), factor),
        Topology(norm_at="none", positions="sinusoidal-fairseq"),
    )


def _scalar_biases_and_scales() -> dict[str, Law]:
    return {SCALAR_BIAS: Law(dist=ZEROS), BRANCH_SCALE: trained(1.0)}


@init(
    "fixup",
    source="Zhang et al., arXiv 1901.09321, section 3; hongyi-zhang/Fixup (ResNet)",
    network="its rule is stated for residual networks of any kind",
)
def fixup() -> Strategy:
    """No norms: He init, the last matrix of every branch zero, the first ones times L_b^(-1/2) for L_b branches.

    The paper's rule L_b^(-1/(2m-2)) for branches of m = 2 matrices, with scalar biases before every matrix and
    activation, one trainable multiplier a branch, and a zero classifier.
    """

    def he(slot: Slot) -> Normal:
        return Normal(math.sqrt(2 / slot.fan_in) / math.sqrt(_branches(slot)))

    first = for_each((*QKV_ROLES, *FFN_INPUT_ROLES), he)
    last = for_each((*RESIDUAL_WRITERS, LM_HEAD), ZEROS)
    law = override(normal(0.02), {**first, **last, **_scalar_biases_and_scales()})
    return Strategy(without_biases(law), Topology(norm_at="none"), tied=False)


@init(
    "fixup-transformer",
    source="hongyi-zhang/Fixup fairseq/models/transformer_zero.py, issue 8",
    network=replace(
        FAIRSEQ, bias=False, unlike=(*FAIRSEQ.unlike, "one scalar bias for queries, keys and values together")
    ),
)
def fixup_transformer() -> Strategy:
    """Fixup as its authors' own transformer has it: attention counts as four matrices, the base is Xavier.

    Queries, keys and values are scaled by L_b^(-1/6), the MLP's first matrix by L_b^(-1/2). Its attention has no
    scalar bias before the output projection.
    """

    def shift(slot: Slot) -> Law | None:
        return None if slot.of == ATTN_OUT else Law(dist=ZEROS)

    def attention(slot: Slot) -> Uniform:
        return Uniform(glorot_std(slot, _branches(slot) ** (-1 / 6) / math.sqrt(2)))

    def first(slot: Slot) -> Uniform:
        return Uniform(glorot_std(slot, _branches(slot) ** -0.5))

    rules: Rules = {
        **for_each(QKV_ROLES, attention),
        **for_each(FFN_INPUT_ROLES, first),
        **for_each((*RESIDUAL_WRITERS, LM_HEAD), ZEROS),
        TOKEN_EMBEDDING: width_normal,
        EMBED_SCALE: root_width,
        **_scalar_biases_and_scales(),
        SCALAR_BIAS: shift,
    }
    law = without_biases(override(normal(0.02), rules))
    return Strategy(law, Topology(norm_at="none", positions="sinusoidal-fairseq"), tied=False)


@init(
    "rezero",
    source="Bachlechner et al., arXiv 2003.04887; majumderb/rezero rztx.py",
    network=SourceNetwork(activation="relu"),
)
def rezero() -> Strategy:
    """x + α·f(x) with one trainable α a layer, starting at zero and shared by attention and MLP; no norms.

    The network starts as its embedding and its head. Queries, keys and values are torch's attention's (Xavier on the
    fused matrix), the rest torch's linear layer's.
    """
    attention = for_each(QKV_ROLES, lambda slot: Uniform(glorot_std(slot, 1 / math.sqrt(2))))
    base = override(weights(torch_weight, biases=_no_attention_bias), {**attention, **_gpt2_tables()})
    law = override(base, {BRANCH_SCALE: trained(0.0)})
    return Strategy(law, Topology(norm_at="none", shared_scales=True))


def _no_attention_bias(slot: Slot) -> Dist:
    return ZEROS if slot.of in ATTENTION_ROLES else torch_linear(slot)


@init(
    "skipinit",
    source="De & Smith, arXiv 2002.10444, section 3",
    status="unverified",
    network="its paper's networks are convolutional",
)
def skipinit(alpha: float = 0.0) -> Strategy:
    """x + α·f(x) with a trainable scalar a branch, starting at zero, instead of norms; He init.

    Stated for residual networks with convolutions; the paper gives no transformer.
    """
    law = override(kaiming().law, {BRANCH_SCALE: trained(alpha)})
    return Strategy(law, Topology(norm_at="none"))


@init(
    "layerscale",
    source="Touvron et al., arXiv 2103.17239, section 2; facebookresearch/deit cait_models.py",
    network="its source is a network for images",
)
def layerscale(epsilon: float = 0.0, std: float = 0.02, rule: Literal["paper", "deit"] = "paper") -> Strategy:
    """Every branch times a trainable number a channel that starts small, smaller in deeper networks.

    ``epsilon`` sets where it starts; at its default of zero a rule by depth decides. The paper's is .1 up to 18
    layers, 1e-5 up to 24, 1e-6 beyond; ``rule=deit`` is what the released models have: 1e-5 up to 24 layers and, at
    up to 288 channels (XXS, XS), beyond; 1e-6 in wider ones (S, M). The weights' truncation bounds are absolute and
    far out, so the draws are plain normals.
    """

    def start(slot: Slot) -> Law:
        return trained(epsilon or LAYERSCALE_RULES[rule](slot))

    return Strategy(override(normal(std), {BRANCH_SCALE: start}), Topology(channel_scales=True))


LAYERSCALE_RULES: dict[Literal["paper", "deit"], Factor] = {
    "paper": lambda slot: 0.1 if slot.dims.n_layer <= 18 else 1e-5 if slot.dims.n_layer <= 24 else 1e-6,
    "deit": lambda slot: 1e-5 if slot.dims.n_layer <= 24 or slot.dims.n_embd <= 288 else 1e-6,
}
"""Where LayerScale's multipliers start: by the paper's section 2, and by the constructors of cait_models.py."""


@init(
    "admin",
    source="Liu et al., arXiv 2004.08249, section 4; LiyuanLucasLiu/Transformer-Clinic",
    network=FAIRSEQ,
)
def admin() -> Strategy:
    """Post-norm LN(ω·x + f(x)) with a trainable ω a channel, set from one profiling pass.

    Every ω is the root of the variance accumulated by the branches before it, so that no later branch outweighs the
    stream it is added to. Xavier-uniform matrices, fairseq's embeddings.
    """
    rules: Rules = {
        **for_each((*EMBEDDING_ROLES, LM_HEAD), width_normal),
        EMBED_SCALE: root_width,
        SKIP_SCALE: Law(dist=ONES, calibrated=True),
    }
    topology = Topology(norm_at="post", channel_scales=True)
    return Strategy(override(weights(xavier_uniform), rules), topology, prepare=profile_skips)


@init(
    "admin-torch",
    source="microsoft/admin-torch admin_torch/as_module.py",
    network="it is a module for any network",
)
def admin_torch() -> Strategy:
    """Admin without its profiling pass: ω = √((N+1)/ln(N+1) - 1) for N branches, fixed.

    The closed form with which its authors replaced the measurement, for an output change of order log N.
    """

    def omega(slot: Slot) -> Law:
        branches = _branches(slot) + 1
        return fixed(math.sqrt(branches / math.log(branches) - 1))

    rules: Rules = {
        **for_each((*EMBEDDING_ROLES, LM_HEAD), width_normal),
        EMBED_SCALE: root_width,
        SKIP_SCALE: omega,
    }
    return Strategy(override(weights(xavier_uniform), rules), Topology(norm_at="post"))


def token_correlations(n_layer: int, beta2: float, start: float) -> list[float]:
    """Return the correlation of tokens entering each layer, from that entering the first.

    akhilkedia/TranformersGetStable megatron/model/utils.py, sigma_attn_v_out, without dropout: attention outputs are
    equal for all tokens in the limit of many; an MLP with ReLU maps r to r + (√(1-r²) - r·arccos r)/π. Each branch
    enters with weight β² beside the stream's 1 - β².
    """
    correlations, r = [], start
    for _ in range(n_layer):
        correlations.append(r)
        r = (1 - beta2) * r + beta2
        r = (1 - beta2) * r + beta2 * (r + (math.sqrt(1 - r * r) - r * math.acos(r)) / math.pi)
    return correlations


@init(
    "deepscale-lm",
    source="Kedia et al., arXiv 2403.09635; akhilkedia/TranformersGetStable",
    network="Megatron-LM, which it changes, has any network by its options",
)
def deepscale_lm(beta2: float = 0.005, correlation: float = 0.221, per_depth: float = 0.0) -> Strategy:
    """Unit variance at every layer: √(1-β²)·x + β·f(x), with branches drawn so that each adds unit variance.

    The value path's std follows the correlation between tokens, carried through the layers by a closed recursion from
    ``correlation`` at the first. ``beta2`` is the code's default, meant for very deep networks; ``per_depth=k`` makes
    it k/L. The MLP's std is the one for ReLU.
    """

    def share(slot: Slot) -> float:
        return per_depth / slot.dims.n_layer if per_depth else beta2

    def value(slot: Slot) -> Normal:
        r = token_correlations(slot.dims.n_layer, share(slot), correlation)[slot.layer or 0]
        return Normal(r**-0.25 * inv_sqrt_width(slot))

    mlp = for_each(FFN_ROLES, lambda slot: Normal(0.5**0.25 * inv_sqrt_width(slot)))
    table = Normal(math.sqrt(0.5))  # tokens and positions together have unit variance
    rules: Rules = {
        **mlp,
        VALUE: value,
        ATTN_OUT: value,
        **for_each(EMBEDDING_ROLES, table),
        SKIP_SCALE: lambda slot: fixed(math.sqrt(1 - share(slot))),
        BRANCH_SCALE: lambda slot: fixed(math.sqrt(share(slot))),
        LOGIT_SCALE: lambda slot: fixed(inv_sqrt_width(slot) / table.std) if slot.dims.tied else None,
    }
    return Strategy(override(weights(width_normal), rules))


@init(
    "layernorm-scaling",
    aliases=("lns",),
    source="Sun et al., arXiv 2502.05795; lmsdss/LayerNorm-Scaling",
    network=replace(LLAMA, tied=False, unlike=("an eps of 1e-6 in norms",)),
)
def layernorm_scaling(std: float = 0.02) -> Strategy:
    """Pre-norm whose output shrinks with depth: both norms of layer l (from 1) times 1/√l. Plain normal weights.

    It replaces the scaled init of residual projections, which its authors advise against combining it with.
    """

    def by_layer(slot: Slot) -> Law:
        return fixed(1 / math.sqrt((slot.layer or 0) + 1))

    return Strategy(override(normal(std), {NORM_SCALE: by_layer}))


@init("wesar", source="Nishida et al., arXiv 2410.05052", status="unverified")
def wesar(std: float = math.sqrt(4e-5)) -> Strategy:
    """Every matrix drawn with one small std and multiplied by a trainable scalar that brings it to its target.

    Adam then changes every matrix by a similar fraction of itself. Targets are He's: one over the fan-in, the gain of
    the MLP's activation on the way down, residual projections over √(2L). Tables have no scalar. Read in second-hand
    descriptions only.
    """

    def target(slot: Slot) -> float:
        gain = math.sqrt(2) if slot.of == FFN_DOWN else 1.0
        residual = inv_sqrt_2l(slot) if slot.of in RESIDUAL_WRITERS else 1.0
        return gain * residual / math.sqrt(slot.fan_in)

    def scalar(slot: Slot) -> Law | None:
        return None if slot.of in EMBEDDING_ROLES else trained(target(slot) / std)

    return Strategy(override(normal(std), {MATRIX_SCALE: scalar}))
