"""Hugging Face's names of activations, and ours."""

UNGATED = {
    "gelu": "gelu",
    "gelu-tanh": "gelu_new",
    "gelu-sigmoid": "quick_gelu",
    "relu": "relu",
    "relu2": "relu2",
    "relu6": "relu6",
    "leaky-relu": "leaky_relu",
    "silu": "silu",
    "mish": "mish",
    "hard-swish": "hardswish",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "identity": "linear",
}
GATED = {
    "swiglu": "silu",
    "geglu": "gelu",
    "geglu-tanh": "gelu_pytorch_tanh",
    "reglu": "relu",
    "glu": "sigmoid",
    "bilinear": "linear",
}
"""A gated activation's name is that of its gate."""

HF_NAMES = {**UNGATED, **GATED}
"""Of every activation of ours that Hugging Face has a name for."""

SYNONYMS = {
    "swish": "silu",
    "gelu_fast": "gelu_new",
    "gelu_pytorch_tanh": "gelu_new",
    "gelu_python": "gelu",
}
"""Other names for the same function, and the one in the tables above; the tanh form has three."""


def hf_setting(key: str, activation: str) -> dict[str, str]:
    """Return the setting of a config that names an activation, nothing where Hugging Face has no name for it."""
    return {key: HF_NAMES[activation]} if activation in HF_NAMES else {}


def our_name(theirs: str, *, gated: bool) -> str | None:
    """Return our name of an activation, of a gated one by its gate; None where we have none."""
    table = {_first(name): ours for ours, name in (GATED if gated else UNGATED).items()}
    return table.get(_first(theirs))


def _first(name: str) -> str:
    return SYNONYMS.get(name, name)
