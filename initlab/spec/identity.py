"""The identity of a run: the hash of everything that can change its numbers, and of nothing else."""

from typing import Any

from initlab.data.corpus import Corpus
from initlab.files.json import SCHEMA_VERSION, content_hash
from initlab.spec.run import ModelSpec, RunSpec


def run_id(spec: RunSpec, corpus: Corpus, laws: str, plugins: tuple[str, ...] = ()) -> str:
    """Return the hash of everything that can change a run's numbers, and of nothing else.

    ``laws`` is the digest of the resolved law table, ``plugins`` the fingerprints of foreign code. Paths,
    names of inits and where it runs are left out; corpus content, laws and resolved defaults are in.
    """
    train = spec.train.model_dump()
    train.update(min_lr=spec.train.final_lr, decay_steps=spec.train.decay_steps or spec.train.steps)
    return content_hash(
        {
            "schema": SCHEMA_VERSION,
            "model": {**_sizes(spec.model), "vocab_size": spec.model.vocab_size or corpus.vocab_size},
            "data": {"sha256": corpus.sha256, "tokenizer": corpus.tokenizer, "seed": spec.data_seed},
            "train": train,
            "laws": laws,
            "activation": spec.activation,
            "seed": spec.seed,
            "plugins": plugins,
        }
    )


def _sizes(model: ModelSpec) -> dict[str, Any]:
    """What of the model's fields is not in the resolved laws and topology."""
    return model.model_dump(
        include={"n_layer", "n_head", "n_embd", "block_size", "ffn_ratio", "ffn_matched", "dropout"}
    )
