"""What Hugging Face's GPT-2 must be told."""

from initlab.adapters.hf_gpt2 import HfGpt2
from tests.adapters.models import blueprint


def test_the_config_says_what_the_tensors_do_not() -> None:
    family, network = HfGpt2(), blueprint(tied=True, ffn_ratio=3.0)
    config = family.config(network, "gelu-tanh")
    assert (config["activation_function"], config["n_inner"], config["tie_word_embeddings"]) == ("gelu_new", 96, True)
    assert (config["n_positions"], config["layer_norm_epsilon"]) == (12, 1e-5)
    assert "activation_function" not in family.config(network, "selu")  # which Hugging Face has no name for


def test_activations_are_read_from_the_config() -> None:
    family = HfGpt2()
    assert family.activation_of({}) == "gelu-tanh"
    assert family.activation_of({"activation_function": "gelu_pytorch_tanh"}) == "gelu-tanh"
    assert family.activation_of({"activation_function": "relu"}) == "relu"
    assert family.activation_of({"activation_function": "laplace"}) is None
