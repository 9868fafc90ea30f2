"""The identity of a run: the hash of everything that can change its numbers, and of nothing else.

The rule that lets specs grow. A run's id hashes its fields by name. Those that were there when the first ids were
given are declared ``identity="always"`` and are hashed whatever they are. A field that is added later is hashed only
where it differs from its ``neutral`` value, which is what every run did before there was such a field: so old runs
keep their ids, and two values of it still have two. That value never changes: where the default does, the declaration
names the old one. What is hashed as part of something else (the law table, the corpus) is declared ``"elsewhere"``,
with where. A field that says nothing of this is hashed if changed: nobody can forget one.
"""

from typing import Any

from pydantic import BaseModel

from initlab.data.corpus import Corpus
from initlab.files.json import SCHEMA_VERSION, content_hash
from initlab.spec.declaration import declared
from initlab.spec.run import RunSpec


def run_id(spec: RunSpec, corpus: Corpus, laws: str, plugins: tuple[str, ...] = ()) -> str:
    """Return the hash of everything that can change a run's numbers, and of nothing else.

    ``laws`` is the digest of the resolved law table, ``plugins`` the fingerprints of foreign code. Paths, names of
    inits and where it runs are left out. A default that depends on other fields is hashed as what it comes to.
    """
    train, model = spec.train, spec.model
    return content_hash(
        {
            "schema": SCHEMA_VERSION,
            "model": {**hashed(model), "vocab_size": model.vocab_size or corpus.vocab_size},
            "data": {
                **hashed(spec.data),
                "sha256": corpus.sha256,
                "tokenizer": corpus.tokenizer,
                "seed": spec.data_seed,
            },
            "train": {
                **hashed(train),
                "min_lr": train.final_lr,
                "decay_steps": train.decay_steps or train.steps,
            },
            **hashed(spec),
            "laws": laws,
            "plugins": plugins,
        }
    )


def hashed(values: BaseModel) -> dict[str, Any]:
    """Return the fields of a spec, or of one of its tables, that are in an identity under their own names."""
    return {
        name: value
        for name, field in declared(type(values)).items()
        for value in [getattr(values, name)]
        if field.traits.identity == "always" or (field.traits.identity == "if changed" and value != field.neutral)
    }
