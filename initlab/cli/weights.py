"""``initlab weights``: an initial checkpoint for a trainer that is not ours."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from initlab.api.initial_weights import NATIVE
from initlab.api.initial_weights import weights as write_weights
from initlab.cli.console import guarded, print_json, stderr, stdout
from initlab.cli.fields import model_fields, with_fields
from initlab.cli.plugins import Plugins


@guarded
@with_fields(("model",))
def weights(
    init: Annotated[str, typer.Argument(help="an init, such as depth-scaled or gpt2:std=0.01")],
    out: Annotated[Path, typer.Option("--out", "-o", help="the safetensors file to write", dir_okay=True)],
    format_: Annotated[str, typer.Option("--format", help="whose names: `initlab list formats`")] = NATIVE,
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
    written = write_weights(
        init,
        out,
        format=format_,
        activation=activation,
        seed=seed,
        dtype=dtype,
        corpus=corpus,
        tokenizer=tokenizer,
        force=force,
        plugins=plugin or [],
        **model_fields(fields),
    )
    if as_json:
        print_json(written.to_json())
    else:
        stdout().print(written.describe(), soft_wrap=True, markup=False)
    for line in written.notes:
        stderr().print(line, soft_wrap=True, markup=False)
