"""How a group of lanes is computed: device, matmul precision, lanes, attention, compiler. Imports nothing heavy.

None of it is part of a run's identity: results depend on it by rounding alone. What was used stands in ``env.json``.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

from initlab.errors import InitlabError, did_you_mean
from initlab.files.escaping import brief

MatmulPrecision: TypeAlias = Literal["highest", "medium", "bfloat16"]
"""How float32 matrices are multiplied. ``highest`` and ``medium`` are ``torch.set_float32_matmul_precision``'s own
(medium selects other kernels, which on some devices keep fewer bits); ``bfloat16`` is autocast rounding the operands.
"""

CompileMode: TypeAlias = Literal["auto", "on", "off"]
COMPILE_MODES: tuple[CompileMode, ...] = get_args(CompileMode)

MOST_LANES = 2**16

DEVICES = ("cpu", "cuda")
"""Kinds of devices; ``cuda:1`` is one of several."""


@dataclass(frozen=True)
class Execution:
    """How one shape of a sweep is trained.

    ``lanes`` is how many runs train together at most: with 1 each is computed as a network of its own, with more as
    part of a batched one, however many lanes a group happens to have. ``fused`` takes torch's fused attention where
    the network allows it.
    """

    device: str = "cpu"
    matmul_precision: MatmulPrecision = "highest"
    lanes: int = 4
    fused: bool = False
    compiled: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the stored document; its key ``products`` is the matmul precision, as in every sweep on disk."""
        document = asdict(self)
        return {"device": document.pop("device"), "products": document.pop("matmul_precision"), **document}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Execution":
        """Return the stored execution; raises KeyError or TypeError for a document that is none."""
        settings = dict(document)
        return cls(matmul_precision=settings.pop("products"), **settings)

    @property
    def fills_lanes(self) -> bool:
        """Whether a group always computes ``lanes`` lanes, some of them padding whose results nobody reads.

        The CPU's compiler makes another network of every number of lanes, which rounds differently.
        """
        return self.compiled and self.lanes > 1 and self.device == "cpu"

    def describe(self) -> str:
        """Return one line for people: ``matmul precision medium on cpu, up to 4 lanes``."""
        extras = ["fused attention"] * self.fused + ["compiled"] * self.compiled
        lanes = f"up to {self.lanes} lanes" if self.lanes > 1 else "one lane"
        return ", ".join([f"matmul precision {self.matmul_precision} on {self.device}", lanes, *extras])


@dataclass(frozen=True)
class Overrides:
    """What the user fixes of an execution; None and ``auto`` leave it to what was measured."""

    device: str | None = None
    lanes: int | None = None
    compiled: CompileMode = "auto"

    def __post_init__(self) -> None:
        """Raise InitlabError for what no machine has: Python callers may pass anything."""
        if self.device is not None and self.device.partition(":")[0] not in DEVICES:
            raise InitlabError(f"device: no kind of device {self.device!r}{did_you_mean(self.device, DEVICES)}")
        if self.lanes is not None and (type(self.lanes) is not int or not 0 < self.lanes <= MOST_LANES):
            raise InitlabError(f"lanes: expected a whole number from 1 to {MOST_LANES:,}, got {brief(self.lanes)}")
        if self.compiled not in COMPILE_MODES:
            raise InitlabError(f"compile: no mode {self.compiled!r}{did_you_mean(str(self.compiled), COMPILE_MODES)}")

    def apply(self, execution: Execution) -> Execution:
        """Return ``execution`` with what is fixed."""
        return replace(
            execution,
            device=self.device or execution.device,
            lanes=self.lanes or execution.lanes,
            compiled=execution.compiled if self.compiled == "auto" else self.compiled == "on",
        )
