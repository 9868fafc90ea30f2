"""How a group of lanes is computed: device, arithmetic of the products, lanes, compiler. Imports nothing heavy.

None of it is part of a run's identity: results depend on it by rounding alone. What was used stands in ``env.json``.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

Products: TypeAlias = Literal["highest", "medium", "bfloat16"]
"""Path of float32 matrix products: torch's default; what ``torch.set_float32_matmul_precision("medium")`` selects
(other kernels, and on some devices fewer bits); operands rounded to bfloat16."""

CompileMode: TypeAlias = Literal["auto", "on", "off"]
COMPILE_MODES: tuple[CompileMode, ...] = get_args(CompileMode)


@dataclass(frozen=True)
class Execution:
    """How one shape of a sweep is trained.

    ``lanes`` is how many runs train together at most: with 1 each is computed as a network of its own, with more as
    part of a batched one, however many lanes a group happens to have. ``fused`` takes torch's fused attention where
    the network allows it.
    """

    device: str = "cpu"
    products: Products = "highest"
    lanes: int = 4
    fused: bool = False
    compiled: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Execution":
        return cls(**document)

    @property
    def fills_lanes(self) -> bool:
        """Whether a group always computes ``lanes`` lanes, some of them doubles that nobody reads.

        The CPU's compiler makes another network of every number of lanes, which rounds differently.
        """
        return self.compiled and self.lanes > 1 and self.device == "cpu"

    @property
    def words(self) -> str:
        """For people: ``float32 products by the medium path on cpu, up to 4 lanes``."""
        path = "bfloat16 products" if self.products == "bfloat16" else f"float32 products by the {self.products} path"
        extras = ["fused attention"] * self.fused + ["compiled"] * self.compiled
        lanes = f"up to {self.lanes} lanes" if self.lanes > 1 else "one lane"
        return ", ".join([f"{path} on {self.device}", lanes, *extras])


@dataclass(frozen=True)
class Wishes:
    """What the user fixes of it; None and auto leave it to what was measured."""

    device: str | None = None
    lanes: int | None = None
    compiled: CompileMode = "auto"

    def apply(self, execution: Execution) -> Execution:
        """Return ``execution`` with what is fixed."""
        return replace(
            execution,
            device=self.device or execution.device,
            lanes=self.lanes or execution.lanes,
            compiled=execution.compiled if self.compiled == "auto" else self.compiled == "on",
        )
