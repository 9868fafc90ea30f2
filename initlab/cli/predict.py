"""``initlab predict``: what theory expects of a network before it is trained, in a second or two."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from initlab.cli.catalogue import GPT2_VOCABULARY
from initlab.cli.console import guarded, print_json, stdout
from initlab.cli.fields import one_model, parse_sizes, with_fields
from initlab.cli.plugins import Plugins, load_plugins
from initlab.cli.prediction_text import print_over, print_prediction, print_several
from initlab.data.corpora import load_corpus
from initlab.data.corpus import Corpus
from initlab.errors import InitlabError
from initlab.files.json import SCHEMA_VERSION, finite
from initlab.inits.catalogue import blueprint_for, resolve
from initlab.plugins.parameters import split_names
from initlab.predictions.inputs import Case, document, tokens_of
from initlab.predictions.scale_up import ScaleUp, scale_up
from initlab.predictions.size_range import Span, law_over, parse_span
from initlab.spec.run import ModelSpec
from initlab.theory.from_laws import Unpredictable
from initlab.theory.tokens import Tokens


@guarded
@with_fields(("model",))
def predict(
    init: Annotated[str, typer.Argument(help="an init, such as depth-scaled or gpt2:std=0.01")],
    activation: Annotated[str, typer.Option(help="the MLP's activation")] = "gelu",
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
    load_plugins(plugin)
    request = Request(one_model(fields), activation, Reading(tokens, tokenizer), batch_size, lr)
    inits = [init, *(split_names(compare) if compare else [])]
    if over is not None:
        _over(request, inits, parse_span(over, request.model), as_json)
        return
    documents = [request.document(name) for name in inits]
    looks = [_outlook(request, name, target) for name in inits] if target else []
    if as_json:
        for found, look in zip(documents, looks, strict=False):
            found["target"] = look.to_json()
        whole = {"schema_version": SCHEMA_VERSION, "predictions": documents} if compare else documents[0]
        print_json(finite(whole))
        return
    console = stdout()
    print_several(console, documents) if compare else print_prediction(console, documents[0])
    _print_outlooks(console, looks)


@dataclass(frozen=True)
class Reading:
    """The tokens that networks are to read."""

    name: str
    tokenizer: str | None

    @property
    def corpus(self) -> Corpus | None:
        return None if self.name in ("uniform", "zipf") else load_corpus(self.name, self.tokenizer)


@dataclass(frozen=True)
class Request:
    """What every prediction of one command shares but the init and a size."""

    model: ModelSpec
    activation: str
    reading: Reading
    batch: int
    lr: float

    def case(self, init: str, model: ModelSpec | None = None) -> Case:
        model, corpus = model or self.model, self.reading.corpus
        blueprint = blueprint_for(model, init, self.activation, corpus.vocab_size if corpus else GPT2_VOCABULARY)
        vocab = blueprint.dims.vocab_size
        if corpus:
            tokens = tokens_of(corpus, vocab, model.block_size)
        else:
            tokens = (Tokens.zipf if self.reading.name == "zipf" else Tokens.uniform)(vocab)
        return Case(blueprint, self.activation, tokens, self.reading.name, self.batch)

    def document(self, init: str, model: ModelSpec | None = None) -> dict[str, Any]:
        """Return a prediction's document; raises InitlabError naming the init where there is none to be had."""
        case = self.case(init, model)
        try:
            return document(case, case.predict(), lr=self.lr)
        except Unpredictable as error:
            raise InitlabError(f"{resolve(init).name}: {error}") from error


def _over(request: Request, inits: list[str], span: Span, as_json: bool) -> None:
    rows = {
        init: [request.document(init, span.model(request.model, value)) for value in span.values] for init in inits
    }
    laws = {init: law_over(span, [one["growth"] for one in found]) for init, found in rows.items()}
    if not as_json:
        print_over(stdout(), span, rows, laws)
        return
    fitted = [{"init": init, "growth_law": None if law is None else asdict(law)} for init, law in laws.items()]
    print_json(
        finite(
            {
                "schema_version": SCHEMA_VERSION,
                "over": {"field": span.field, "values": list(span.values), "laws": fitted},
                "predictions": [one for found in rows.values() for one in found],
            }
        )
    )


def _outlook(request: Request, init: str, target: str) -> ScaleUp:
    found = scale_up(request.case(init), request.model, parse_sizes("--target", target))
    assert found is not None  # it was predicted at its own size
    return found


def _print_outlooks(console: Console, looks: list[ScaleUp]) -> None:
    for look in looks:
        console.print(f"target: {escape(look.describe())}", soft_wrap=True)
