"""What theory expects of a network before it is trained, for one init or several, at one size or over many."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from initlab.api.axes import Values, names_in, one_model, target_sizes
from initlab.data.corpora import load_corpus
from initlab.data.corpus import Corpus
from initlab.errors import InitlabError
from initlab.files.public import PublicTable
from initlab.inits.as_source import sourced
from initlab.inits.catalogue import blueprint_for, resolve
from initlab.network.topology import GPT2_VOCABULARY
from initlab.plugins.loading import load_plugins
from initlab.predictions.inputs import PredictionInput, document, token_statistics
from initlab.predictions.scale_up import ScaleUp, scale_up
from initlab.predictions.size_range import SizeRange, law_over, parse_size_range
from initlab.spec.run import ModelSpec
from initlab.theory.from_laws import Unpredictable
from initlab.theory.growth import Growth
from initlab.theory.tokens import TokenStatistics

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Forecast", "Growth", "predict"]


@dataclass(frozen=True, repr=False)
class Forecast(PublicTable):
    """Predictions of one or several inits; ``sizes`` is the range they go over, None where there is one size.

    ``predictions`` are documents: init by init, and within an init size by size. ``scale_ups`` say what each init
    would do at a target's sizes. ``single`` is True where one init was asked for, at one size.
    """

    predictions: tuple[dict[str, Any], ...]
    single: bool
    sizes: SizeRange | None = None
    scale_ups: tuple[ScaleUp, ...] = ()

    @property
    def inits(self) -> list[str]:
        return list(dict.fromkeys(one["init"] for one in self.predictions))

    def of(self, init: str) -> list[dict[str, Any]]:
        """Return an init's predictions, one a size."""
        return [one for one in self.predictions if one["init"] == init]

    @cached_property
    def laws(self) -> dict[str, Growth | None]:
        """The law that growth follows over the range of sizes, by init; empty where there is none."""
        if self.sizes is None:
            return {}
        return {init: law_over(self.sizes, [one["growth"] for one in self.of(init)]) for init in self.inits}

    def __getitem__(self, key: str) -> Any:
        """Return a key of the document of a forecast of one init at one size, such as ``"residual_ms"``."""
        if not self.single:
            raise InitlabError(f"several predictions have a {key!r}: look into .predictions, or .to_frame()")
        return self.predictions[0][key]

    @property
    def scale_up_lines(self) -> list[str]:
        """What each init would do at the target's sizes, a line each."""
        return [row.describe() for row in self.scale_ups]

    def document(self) -> dict[str, Any]:
        scale_ups: Sequence[ScaleUp | None] = self.scale_ups or [None] * len(self.predictions)
        documents = [
            one if look is None else {**one, "target": look.to_json()}
            for one, look in zip(self.predictions, scale_ups, strict=True)
        ]
        if self.sizes is not None:
            laws = [{"init": init, "growth_law": law and asdict(law)} for init, law in self.laws.items()]
            over = {"field": self.sizes.field, "values": list(self.sizes.values), "laws": laws}
            return {"over": over, "predictions": documents}
        return documents[0] if self.single else {"predictions": documents}

    def to_frame(self) -> "pd.DataFrame":
        """Return one row an init, size and layer: init, the size where it varies, layer, residual_ms, token_cosine,
        and, from layer 1 on, attn_ms and mlp_ms, which the layer's branches add; then growth and initial_loss."""
        import pandas as pd

        rows = []
        values = [] if self.sizes is None else [value for _ in self.inits for value in self.sizes.values]
        for number, one in enumerate(self.predictions):
            size = {} if self.sizes is None else {self.sizes.field: values[number]}
            for layer, moment in enumerate(one["residual_ms"]):
                branches = {name: one[name][layer - 1] if layer else None for name in ("attn_ms", "mlp_ms")}
                cosine = {"token_cosine": one["token_cosine"][layer]}
                whole = {"growth": one["growth"], "initial_loss": one["initial_loss"]}
                rows.append(
                    {
                        "init": one["init"],
                        **size,
                        "layer": layer,
                        "residual_ms": moment,
                        **cosine,
                        **branches,
                        **whole,
                    }
                )
        return pd.DataFrame(rows).astype({"attn_ms": float, "mlp_ms": float})

    def describe(self) -> str:
        lines = []
        for one in self.predictions:
            dims = one["dims"]
            lines.append(
                f"{one['init']} · {one['activation']} · {dims['n_layer']} × {dims['n_embd']}: residual second moment "
                f"{one['residual_ms'][0]:.3g} to {one['residual_ms'][-1]:.3g} (×{one['growth']:.3g}), "
                f"initial loss {one['initial_loss']:.3f} nats"
            )
        return "\n".join([*lines, *self.scale_up_lines])


@dataclass(frozen=True)
class _Setting:
    """What every prediction of a forecast shares but the init and a size; no ``activation`` where none was named."""

    activation: str | None
    text: str
    corpus: Corpus | None
    batch_size: int
    lr: float

    def case(self, init: str, model: ModelSpec) -> PredictionInput:
        model, activation = sourced(model, init, self.activation)
        blueprint = blueprint_for(model, init, activation, self.corpus.vocab_size if self.corpus else GPT2_VOCABULARY)
        vocab = blueprint.dims.vocab_size
        if self.corpus:
            tokens = token_statistics(self.corpus, vocab, model.block_size)
        else:
            tokens = (TokenStatistics.zipf if self.text == "zipf" else TokenStatistics.uniform)(vocab)
        return PredictionInput(blueprint, activation, tokens, self.text, self.batch_size)

    def prediction(self, init: str, model: ModelSpec) -> dict[str, Any]:
        """Return a prediction's document; raises InitlabError naming the init where there is none to be had."""
        case = self.case(init, model)
        try:
            return document(case, case.predict(), lr=self.lr)
        except Unpredictable as error:
            raise InitlabError(f"{resolve(init).name}: {error}") from error

    def scale_up(self, init: str, model: ModelSpec, target: Mapping[str, int]) -> ScaleUp:
        model, _ = sourced(model, init, self.activation)
        look = scale_up(self.case(init, model), model, target)
        assert look is not None  # it was predicted at its own size
        return look


def _sizes(model: ModelSpec, span: SizeRange | None) -> list[ModelSpec]:
    """Return the model at every size of a range, or as it is."""
    return [model] if span is None else [span.model(model, value) for value in span.values]


def predict(
    init: str | Iterable[str],
    activation: str | None = None,
    *,
    tokens: str = "uniform",
    tokenizer: str | None = None,
    batch_size: int = 12,
    lr: float = 1e-3,
    over: str | None = None,
    target: Mapping[str, int] | None = None,
    plugins: tuple[str, ...] | list[str] = (),
    **sizes: Values,
) -> Forecast:
    """Return what theory expects at step 0: residual stream, gradients, loss. Nothing is trained, torch not needed.

    ``init`` is a name, or several, to stand beside each other. ``tokens`` is what is read: uniform, zipf, or a corpus
    by name or path; ``batch_size`` how many sequences a draw is seen through, for the bands. ``over`` is a size and
    its values, such as ``"n_layer=2..96"``; ``target`` holds sizes that the model stands for. ``sizes`` are fields of
    the model; with ``as_source=True`` each init has its own source's network and activation (``activation`` is
    otherwise gelu where none is named). Raises InitlabError for what does not exist, cannot be together, or theory
    has no answer to.

    >>> import initlab
    >>> forecast = initlab.predict("gpt2", n_layer=4, n_embd=256, n_head=4)
    >>> forecast["growth"] > initlab.predict("depth-scaled", n_layer=4, n_embd=256, n_head=4)["growth"] > 1
    True
    """
    load_plugins(plugins)
    if type(batch_size) is not int or batch_size < 1:
        raise InitlabError(f"batch_size: expected a whole number from 1, got {batch_size!r}")
    if not (math.isfinite(lr) and lr >= 0):
        raise InitlabError(f"lr: expected a finite number that is not negative, got {lr!r}")
    model, several = one_model(sizes), not isinstance(init, str)
    corpus = None if tokens in ("uniform", "zipf") else load_corpus(tokens, tokenizer)
    setting = _Setting(activation, tokens, corpus, batch_size, lr)
    inits = names_in(init) if several else [str(init)]
    larger = target_sizes(target)
    span = None if over is None else parse_size_range(over, model)
    predictions = tuple(
        setting.prediction(name, at) for name in inits for at in _sizes(sourced(model, name, activation)[0], span)
    )
    scale_ups = tuple(setting.scale_up(name, model, larger) for name in inits) if larger and span is None else ()
    return Forecast(predictions, single=not several and span is None, sizes=span, scale_ups=scale_ups)
