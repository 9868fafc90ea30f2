"""An initial checkpoint for a trainer that is not ours, written to a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from initlab.adapters.native import NATIVE
from initlab.api.axes import Values, one_model
from initlab.checkpoints.resolution import CheckpointSpec, resolve_checkpoint
from initlab.checkpoints.write import check_target, write_checkpoint
from initlab.data.corpora import load_corpus
from initlab.files.public import PublicValue
from initlab.files.untrusted import named_path
from initlab.network.topology import GPT2_VOCABULARY
from initlab.plugins.loading import load_plugins

if TYPE_CHECKING:
    from initlab.checkpoints.build import Checkpoint

__all__ = ["NATIVE", "WrittenCheckpoint", "weights"]


@dataclass(frozen=True, repr=False)
class WrittenCheckpoint(PublicValue):
    """A safetensors file that was written, and what it holds."""

    path: Path
    format: str
    seed: int
    checkpoint: "Checkpoint"
    sha256: str

    def document(self) -> dict[str, Any]:
        contents = self.checkpoint.contents
        return {
            "path": str(self.path),
            "format": self.format,
            "init": self.checkpoint.blueprint.init,
            "seed": self.seed,
            "activation": self.checkpoint.activation,
            "tensors": len(contents.tensors),
            "parameters": self.checkpoint.parameters,
            "config": contents.config,
            "needs": contents.needs,
            "sha256": self.sha256,
        }

    def describe(self) -> str:
        tensors = len(self.checkpoint.contents.tensors)
        return f"{self.path}: {tensors} tensors, {self.checkpoint.parameters:,} parameters, sha256 {self.sha256}"

    @property
    def notes(self) -> list[str]:
        """Lines that say what the file alone does not do: the model's config, and what its trainer must honour."""
        contents = self.checkpoint.contents
        settings = ", ".join(f"{key}={value!r}" for key, value in contents.config.items())
        needs = ", ".join(contents.needs)
        return [
            *[f"config of the model: {settings}"] * bool(settings),
            f"activation: {self.checkpoint.activation}",
            *(f"note: {note}" for note in contents.notes),
            *[
                f"your trainer must still honour {needs}: `initlab explain {self.checkpoint.blueprint.init}` "
                "has the numbers"
            ]
            * bool(needs),
        ]


def weights(
    init: str,
    out: str | Path,
    *,
    format: str = NATIVE,
    activation: str | None = None,
    seed: int = 0,
    dtype: str = "float32",
    corpus: str | None = None,
    tokenizer: str | None = None,
    force: bool = False,
    plugins: tuple[str, ...] | list[str] = (),
    **sizes: Values,
) -> WrittenCheckpoint:
    """Draw an init and write it to the safetensors file ``out`` in a format's names, for a trainer to start from.

    ``activation`` None is the format's own. Inits that look at data see a batch of ``corpus``, or random tokens.
    Raises InitlabError where the format cannot hold the network, or the file exists and ``force`` is not given.

    >>> import initlab
    >>> made = initlab.weights("gpt2", "init.safetensors", format="nanogpt", n_layer=2, n_embd=64, n_head=2,
    ...                        vocab_size=65, bias=False)
    >>> made.to_json()["tensors"], made.path.exists()
    (16, True)
    """
    load_plugins(plugins)
    path = named_path(out, "-o")
    check_target(path, force=force)
    text = load_corpus(corpus, tokenizer) if corpus else None
    vocabulary = text.vocab_size if text else GPT2_VOCABULARY
    spec = CheckpointSpec(
        format=format,
        model=one_model(sizes),
        init=init,
        vocab_size=vocabulary,
        activation=activation,
        seed=seed,
        dtype=dtype,
        corpus=text,
    )
    resolve_checkpoint(spec)  # what does not fit is said before torch takes its seconds to load
    from initlab.checkpoints.build import build_checkpoint

    checkpoint = build_checkpoint(spec)
    return WrittenCheckpoint(path, spec.format, seed, checkpoint, write_checkpoint(path, checkpoint))
