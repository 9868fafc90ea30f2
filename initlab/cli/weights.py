"""``initlab weights``: an initial checkpoint for a trainer that is not ours."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from initlab.adapters.formats import ANY, FORMATS
from initlab.checkpoints.request import Request, planned
from initlab.checkpoints.write import check_target, write_checkpoint
from initlab.cli.catalogue import GPT2_VOCABULARY
from initlab.cli.console import guarded, print_json, stderr, stdout
from initlab.cli.fields import one_model, with_fields
from initlab.cli.plugins import Plugins, load_plugins
from initlab.data.corpora import load_corpus
from initlab.files.json import SCHEMA_VERSION

if TYPE_CHECKING:
    from initlab.checkpoints.build import Checkpoint

NAMES = ", ".join(name for name, _ in FORMATS.items())


@guarded
@with_fields(("model",))
def weights(
    init: Annotated[str, typer.Argument(help="an init, such as depth-scaled or gpt2:std=0.01")],
    out: Annotated[Path, typer.Option("--out", "-o", help="the safetensors file to write", dir_okay=True)],
    format_: Annotated[str, typer.Option("--format", help=f"whose names: {NAMES}")] = ANY,
    activation: Annotated[
        str | None, typer.Option(help="default: the format's own; a gated one has a third matrix", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="of the draws")] = 0,
    dtype: Annotated[Literal["float32", "float64", "bfloat16"], typer.Option(help="of the tensors")] = "float32",
    corpus: Annotated[
        str | None,
        typer.Option(
            help="for inits that look at data: a batch of this corpus instead of random tokens", show_default=False
        ),
    ] = None,
    tokenizer: Annotated[str | None, typer.Option(help="byte or char, for text", show_default=False)] = None,
    plugin: Plugins = None,
    force: Annotated[bool, typer.Option("--force", help="replace the file if it exists")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")] = False,
    *,
    fields: dict[str, Any],
) -> None:
    """Write an initial checkpoint in the names of your trainer's model, for it to start from."""
    load_plugins(plugin)
    check_target(out, force=force)
    text = load_corpus(corpus, tokenizer) if corpus else None
    vocabulary = text.vocab_size if text else GPT2_VOCABULARY
    request = Request(format_, one_model(fields), init, vocabulary, activation, seed, dtype, text)
    planned(request)  # says what does not fit before torch takes its seconds to load
    from initlab.checkpoints.build import make_checkpoint

    checkpoint = make_checkpoint(request)
    document = _document(out, request.format, seed, checkpoint, write_checkpoint(out, checkpoint))
    if as_json:
        print_json(document)
    else:
        counts = f"{document['tensors']} tensors, {checkpoint.parameters:,} parameters, sha256 {document['sha256']}"
        stdout().print(f"{out}: {counts}", soft_wrap=True, markup=False)
    _say(checkpoint)


def _document(out: Path, format_: str, seed: int, checkpoint: "Checkpoint", sha256: str) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "path": str(out),
        "format": format_,
        "init": checkpoint.blueprint.init,
        "seed": seed,
        "activation": checkpoint.activation,
        "tensors": len(checkpoint.contents.tensors),
        "parameters": checkpoint.parameters,
        "config": checkpoint.contents.config,
        "needs": checkpoint.contents.needs,
        "sha256": sha256,
    }


def _say(checkpoint: "Checkpoint") -> None:
    """Tell people what the file alone does not do."""
    console, contents = stderr(), checkpoint.contents
    if contents.config:
        settings = ", ".join(f"{key}={value!r}" for key, value in contents.config.items())
        console.print(f"config of the model: {settings}", soft_wrap=True, markup=False)
    console.print(f"activation: {checkpoint.activation}", soft_wrap=True, markup=False)
    for note in contents.notes:
        console.print(f"note: {note}", soft_wrap=True, markup=False)
    if contents.needs:
        needs = f"{', '.join(contents.needs)}: `initlab explain {checkpoint.blueprint.init}` has the numbers"
        console.print(f"your trainer must still honour {needs}", soft_wrap=True, markup=False)
