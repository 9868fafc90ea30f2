"""What Hugging Face's Llama must be told, and what its config says."""

from initlab.adapters.hf_llama import HfLlama
from initlab.adapters.recognition import model_state
from tests.adapters.models import own_blueprint, written_model


def test_the_config_says_what_the_tensors_do_not() -> None:
    family = HfLlama()
    config = family.config(own_blueprint(family, tied=False), "swiglu")
    assert config["rms_norm_eps"] == 1e-5  # LlamaConfig's own is another
    assert (config["hidden_act"], config["attention_bias"], config["tie_word_embeddings"]) == ("silu", False, False)
    assert config["num_key_value_heads"] == config["num_attention_heads"] == 4


def test_activations_are_read_by_their_gates() -> None:
    family = HfLlama()
    assert family.activation_of({}) == "swiglu"
    assert family.activation_of({"hidden_act": "gelu_pytorch_tanh"}) == "geglu-tanh"
    assert family.activation_of({"hidden_act": "gelu_new"}) == "geglu-tanh"
    assert family.activation_of({"hidden_act": "laplace"}) is None


def test_norms_of_queries_and_keys_make_another_topology() -> None:
    family = HfLlama()
    state = written_model(family)[2]
    assert not family.read(model_state(state)).network.topology.qk_norm
    for layer in range(3):
        for part in ("q_norm", "k_norm"):
            state[f"model.layers.{layer}.self_attn.{part}.weight"] = state["model.norm.weight"][:8]
    found = family.read(model_state(state, {"num_attention_heads": 4, "model_type": "qwen3"}))
    assert found.network.topology.qk_norm
    assert found.network.shapes["blocks.2.key_norm.weight"] == (8,)
    assert found.unmapped == ()
