"""What an optimizer is: a frozen class of settings and one update rule, registered under a name.

Free of torch: planning checks names and parameters. An optimizer is registered by decorating its rule::

    @dataclass(frozen=True, kw_only=True)
    class SignSGD:
        weight_decay: Scalar  # from the spec, by its name
        floor: float = 0.0  # its own, with a default: --optimizer sign-sgd:floor=1e-6

    @optimizer("sign-sgd", settings=SignSGD, source="Bernstein et al., arXiv 1802.04434, algorithm 1", adam_like=True)
    def sign_sgd(parameter, gradient, state, settings, lr, step):
        \"\"\"θ ← θ - lr·(sign g + weight_decay·θ), for gradients larger than a floor.\"\"\"
        moves = gradient.abs() > settings.floor
        parameter.sub_(lr * (gradient.sign() * moves + settings.weight_decay * parameter))

That is all: clipping, schedules, decay groups and the factors of laws are the engine's.
"""

import inspect
from collections.abc import Callable
from dataclasses import Field, dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from initlab.errors import InitlabError
from initlab.plugins.parameters import canonical_text, check_defaults, parse_parameters, split_name
from initlab.plugins.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

Scalar: TypeAlias = "float | Tensor"
"""A number, or one number a lane: (N, 1, ..., 1), which broadcasts with stacked tensors (N, ...)."""

State: TypeAlias = "dict[str, Tensor]"
"""What a rule keeps of one parameter between steps, by the buffers' names, each of the parameter's shape."""


class UpdateRule(Protocol):
    """Moves one parameter, and its state, in place.

    ``parameter``, ``gradient`` and the state's buffers have one shape: that of the slot, or (N, ...) where N lanes
    are stacked, and then ``lr`` and what of ``settings`` comes from the spec are (N, 1, ..., 1). A rule is therefore
    elementwise: it reduces over no axis and asks for no tensor's value. ``step`` counts from 1. The gradient is
    clipped and may be written into; a learning rate of 0 need not leave the parameter where it is.
    """

    def __call__(
        self, parameter: "Tensor", gradient: "Tensor", state: State, settings: Any, lr: Scalar, step: int, /
    ) -> None: ...


class FusedUpdate(Protocol):
    """The same of many parameters of one lane at once, by a kernel of torch's; every coefficient is a number."""

    def __call__(
        self,
        parameters: "list[Tensor]",
        gradients: "list[Tensor]",
        states: list[State],
        settings: Any,
        lr: float,
        step: int,
        /,
    ) -> None: ...


@dataclass(frozen=True, kw_only=True)
class SlotSettings:
    """What the spec sets of every optimizer, as one slot has it: a settings class takes of these what it declares.

    ``eps`` and ``weight_decay`` are the spec's times the law's factors; what does not decay has a decay of 0.
    """

    beta1: Scalar
    beta2: Scalar
    eps: Scalar
    weight_decay: Scalar


SPEC_FIELDS = tuple(field.name for field in fields(SlotSettings))


@dataclass(frozen=True)
class OptimizerEntry:
    """A registered optimizer.

    ``buffers`` names what it keeps of every parameter, zero before the first step. ``adam_like``: see ``optimizer``.
    ``fused`` is a kernel for one lane on a CPU that computes what ``update`` says.
    """

    update: UpdateRule
    settings: type
    source: str
    buffers: tuple[str, ...] = ()
    adam_like: bool = False
    fused: FusedUpdate | None = None

    @property
    def summary(self) -> str:
        return inspect.cleandoc(self.update.__doc__ or "").split("\n")[0]

    @property
    def why(self) -> str:
        return inspect.cleandoc(self.update.__doc__ or "").partition("\n")[2].strip()

    @property
    def spec_fields(self) -> tuple[str, ...]:
        """The fields of the spec that it takes."""
        return tuple(field.name for field in self._fields if field.name in SPEC_FIELDS)

    @property
    def parameters(self) -> dict[str, Any]:
        """Names of its own parameters and their defaults."""
        return {field.name: field.default for field in self._fields if field.name not in SPEC_FIELDS}

    @property
    def _fields(self) -> "tuple[Field[Any], ...]":
        return fields(self.settings)


OPTIMIZERS: Registry[OptimizerEntry] = Registry(
    "optimizer",
    code=lambda entry: entry.update,
    entry_points="initlab.optimizers",
    built_ins="initlab.optimizers.built_ins",
)


def optimizer(
    name: str,
    *,
    settings: type,
    source: str,
    buffers: tuple[str, ...] = (),
    adam_like: bool = False,
    fused: FusedUpdate | None = None,
    aliases: tuple[str, ...] = (),
) -> Callable[[UpdateRule], UpdateRule]:
    """Register an update rule under ``name``; ``source`` cites a paper and equation, or a repository and file.

    ``adam_like`` says that learning rates, decays and eps by slot, which inits set for AdamW, are right for it too:
    the size of its steps does not depend on the size of the gradient, and weight decay is apart from the gradient
    and proportional to the learning rate. Without it, inits that set any are refused.

    Raises InitlabError where the settings are no frozen dataclass, where one that the spec does not have has no
    default that can be written there, and where the name is taken.
    """
    if not (is_dataclass(settings) and settings.__dataclass_params__.frozen):  # type: ignore[attr-defined]
        raise InitlabError(f"optimizer {name!r}: expected a frozen dataclass as its settings, got {settings!r}")

    def decorate(update: UpdateRule) -> UpdateRule:
        entry = OptimizerEntry(update, settings, source, buffers, adam_like, fused)
        hint = f"; only {', '.join(SPEC_FIELDS)} come from the spec"
        check_defaults(f"optimizer {name!r}", entry.parameters, hint)
        OPTIMIZERS.add(name, entry, aliases=aliases)
        return update

    return decorate


@dataclass(frozen=True)
class Optimizer:
    """An optimizer with its parameters bound, as ``resolve`` returns it; ``name`` is its full text."""

    name: str
    parameters: dict[str, Any]
    entry: OptimizerEntry

    def settings(self, slot: SlotSettings) -> Any:
        """Return the settings of one slot. Raises InitlabError where a plug-in's refuse them."""
        shared = {key: value for key, value in vars(slot).items() if key in self.entry.spec_fields}
        with OPTIMIZERS.blame(self.name, self.entry):
            return self.entry.settings(**shared, **self.parameters)

    def update(
        self, parameter: "Tensor", gradient: "Tensor", state: State, settings: Any, lr: Scalar, step: int
    ) -> None:
        """Apply the rule to one parameter, in place. Raises InitlabError where a plug-in's rule fails."""
        with OPTIMIZERS.blame(self.name, self.entry):
            returned: object = self.entry.update(parameter, gradient, state, settings, lr, step)  # type: ignore[func-returns-value]
        if returned is not None:
            raise InitlabError(
                f"optimizer {self.name!r} returns a {type(returned).__name__}; a rule changes the parameter in place"
            )

    def update_lane(
        self,
        parameters: "list[Tensor]",
        gradients: "list[Tensor]",
        states: list[State],
        settings: Any,
        lr: float,
        step: int,
    ) -> None:
        """Apply the rule to parameters of one lane that share their settings, by the fused kernel if there is one."""
        if self.entry.fused is None:
            for parameter, gradient, state in zip(parameters, gradients, states, strict=True):
                self.update(parameter, gradient, state, settings, lr, step)
            return
        with OPTIMIZERS.blame(self.name, self.entry):
            self.entry.fused(parameters, gradients, states, settings, lr, step)


def resolve(text: str) -> Optimizer:
    """Return the optimizer that ``name`` or ``name:key=value,key=value`` names.

    Raises InitlabError for an unknown name or key, or a value of the wrong type, with the nearest right thing.
    """
    name = OPTIMIZERS.canonical(split_name(text)[0])
    entry = OPTIMIZERS.get(name)
    for key in (item.partition("=")[0].strip() for item in split_name(text)[1].split(",")):
        if key in SPEC_FIELDS:
            raise InitlabError(f"optimizer {text!r}: {key} is a field of the spec, set train.{key}")
    given = parse_parameters("optimizer", text, name, entry.parameters)
    return Optimizer(canonical_text(name, given, entry.parameters), {**entry.parameters, **given}, entry)


def adam_like_names() -> list[str]:
    """Return the optimizers for which AdamW's learning rates by slot are right."""
    return [name for name, entry in OPTIMIZERS.items() if entry.adam_like]
