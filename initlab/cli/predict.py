"""``initlab predict``: what theory expects of a network before it is trained, in a second or two."""

from typing import Annotated, Any

import typer
from rich.markup import escape

from initlab.api.axes import split_names
from initlab.api.forecast import predict as forecast
from initlab.cli.console import guarded, print_json, stdout
from initlab.cli.fields import model_fields, parse_sizes, with_fields
from initlab.cli.plugins import Plugins
from initlab.cli.prediction_text import print_over, print_prediction, print_several


@guarded
@with_fields(("model",))
def predict(
    init: Annotated[str, typer.Argument(help="an init, such as depth-scaled or gpt2:std=0.01")],
    activation: Annotated[
        str | None, typer.Option(help="the MLP's activation; default: gelu, or the source's with --as-source")
    ] = None,
    tokens: Annotated[str, typer.Option(help="what is read: uniform, zipf, or a corpus by name or path")] = "uniform",
    tokenizer: Annotated[str | None, typer.Option(help="byte or char, for a text")] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="sequences that one draw is seen through, for the band")
    ] = 12,
    lr: Annotated[float, typer.Option(min=0.0, help="learning rate of the update-to-weight ratios")] = 1e-3,
    compare: Annotated[str | None, typer.Option(help="more inits to stand beside it, such as xavier,pytorch")] = None,
    over: Annotated[
        str | None, typer.Option(help="a size and its values: n_layer=2..96 or n_embd=128,256,512")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="sizes that this model stands for, such as n_embd=768,n_layer=48")
    ] = None,
    plugin: Plugins = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")] = False,
    *,
    fields: dict[str, Any],
) -> None:
    """Print what theory expects of an init at step 0: residual stream, gradients, loss. Nothing is trained."""
    found = forecast(
        [init, *split_names(compare)] if compare else init,
        activation,
        tokens=tokens,
        tokenizer=tokenizer,
        batch_size=batch_size,
        lr=lr,
        over=over,
        target=parse_sizes("--target", target) if target else None,
        plugins=plugin or [],
        **model_fields(fields),
    )
    if as_json:
        print_json(found.to_json())
        return
    console = stdout()
    if found.sizes is not None:
        print_over(console, found)
    elif found.single:
        print_prediction(console, found.predictions[0])
    else:
        print_several(console, found.predictions)
    for line in found.scale_up_lines:
        console.print(f"target: {escape(line)}", soft_wrap=True)
