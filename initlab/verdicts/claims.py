"""Claims: statements as data, each with a verdict and its numbers.

SUPPORTED where the whole confidence interval lies within what is stated, in every group of cells it is about. REFUTED
where the evidence against it in any group stands up after Holm's correction over the claim's groups, at the level
1 - confidence. Everything else is UNDECIDED, with what would decide it. That is an error rate for each claim; with
``family = "file"`` it is one for the file: the chance that any true claim of it is refuted is at most 1 - confidence,
that any false one is supported at most half of that (Holm over all measured claims, family-wise error).
"""

from dataclasses import dataclass
from typing import get_args

from initlab.errors import InitlabError, did_you_mean
from initlab.files.toml import TomlFile
from initlab.results.metrics import metric_named
from initlab.results.reading import Results
from initlab.verdicts.check import Check, Outcome, decide, decide_file, describe_bounds
from initlab.verdicts.evidence import checks
from initlab.verdicts.facts import Fact, default_fact, law_fact
from initlab.verdicts.statement import Claim, ClaimsFile, Family, Reduction, read_claims
from initlab.verdicts.verdict import Verdict

VERDICTS: dict[Outcome, str] = {"holds": "SUPPORTED", "fails": "REFUTED", "open": "UNDECIDED", "unknown": "UNDECIDED"}
DECISIVE: tuple[Outcome, ...] = ("fails", "unknown", "open", "holds")


WEAK = "within what is stated by itself, not after Holm's correction over the file"


UNITS: dict[Reduction, str] = {"slope": "", "ratio": "", "optimum": "", "stable_decades": "decades"}


def judge_claims(claims: ClaimsFile, file: TomlFile, results: Results, family: Family | None = None) -> list[Verdict]:
    """Return a verdict for each claim, in the file's order; ``family`` in place of the file's own.

    Raises InitlabError, naming key and line, where a claim asks for what the results or the laws do not have.
    """
    judged: list[Verdict | list[Check]] = []
    for number, claim in enumerate(claims.claim):
        try:
            measured = claim.metric is not None
            judged.append(checks(claim, results, claims.confidence) if measured else _on_facts(claim))
        except InitlabError as error:
            raise InitlabError(f"{file.where(('claim', number))}: {error}") from error
    groups = [found for found in judged if isinstance(found, list)]
    outcomes = iter(_outcomes(groups, claims.confidence, family or claims.family))
    return [
        _judged(claim, found, next(outcomes)) if isinstance(found, list) else found
        for claim, found in zip(claims.claim, judged, strict=True)
    ]


def known_family(name: str | None) -> Family | None:
    """Return a family by its name. Raises InitlabError for one that there is not."""
    families: dict[str | None, Family | None] = {None: None, "claim": "claim", "file": "file"}
    if name in families:
        return families[name]
    raise InitlabError(f"family: expected 'claim' or 'file', got {name!r}{did_you_mean(str(name), get_args(Family))}")


def measured_claims(claims: ClaimsFile) -> int:
    """Return how many claims are tests: those about code leave nothing to chance."""
    return sum(claim.metric is not None and claim.seeds == "mean" for claim in claims.claim)


def _outcomes(groups: list[list[Check]], confidence: float, family: Family) -> list[list[Outcome]]:
    if family == "file":
        return decide_file(groups, confidence)
    return [decide(group, 1 - confidence) for group in groups]


@dataclass(frozen=True)
class JudgedClaims:
    """What a report shows: verdicts, or the reason why there are none."""

    verdicts: tuple[Verdict, ...] = ()
    problem: str | None = None
    family: Family = "claim"


NO_CLAIMS = JudgedClaims()


def stored_claims(results: Results) -> JudgedClaims:
    """Judge the ``claims.toml`` in a sweep's own folder; nothing where there is none.

    A sweep changed by flags may lack what its claims are about: that is a problem to show, not an error.
    """
    if not (results.path / "claims.toml").is_file():
        return NO_CLAIMS
    try:
        claims, file = read_claims(results.path)
        return JudgedClaims(tuple(judge_claims(claims, file, results)), family=claims.family)
    except InitlabError as error:
        return JudgedClaims(problem=str(error).replace(f"{results.path}/", ""))


def _judged(claim: Claim, judged: list[Check], outcomes: list[Outcome]) -> Verdict:
    assert claim.metric is not None
    parts = tuple(_part(claim, check, outcome) for check, outcome in zip(judged, outcomes, strict=True))
    decisive = min(range(len(parts)), key=lambda index: (DECISIVE.index(outcomes[index]), _p_within(judged[index])))
    part = parts[decisive]
    reason = part.reason if len(parts) == 1 else f"{_counted(parts)}; {part.about}: {part.reason}"
    return Verdict(
        id=claim.id,
        text=claim.text or f"{claim.metric} is {describe_bounds(claim.bounds)}",
        verdict=part.verdict,
        reason=reason,
        about=part.about if len(parts) == 1 else f"{len(parts)} groups of cells",
        metric=claim.metric,
        value=part.value,
        limit=part.limit,
        ci=part.ci,
        sides=part.sides,
        n=part.n,
        complete=all(one.complete for one in parts),
        parts=parts if len(parts) > 1 else (),
    )


def _part(claim: Claim, check: Check, outcome: Outcome) -> Verdict:
    metric = metric_named(check.metric)
    unit = UNITS.get(claim.reduce, metric.unit) if claim.reduce else metric.unit
    if claim.compare and (metric.positive or claim.reduce == "optimum"):
        unit = "×"
    weak = WEAK if check.inside and outcome == "open" else ""
    return Verdict(
        id=claim.id,
        text=claim.text or "",
        verdict=VERDICTS[outcome],
        reason=check.problem or "; ".join(filter(None, (check.describe(unit, outcome), weak))),
        about=check.label,
        metric=check.metric,
        value=check.value,
        limit=check.limit,
        ci=check.interval,
        sides=check.interval.sides if check.interval else None,
        n=check.n,
        complete=check.problem is None,
    )


def _on_facts(claim: Claim) -> Verdict:
    facts: list[Fact] = [law_fact(law) for law in claim.law]
    facts += [default_fact(claim.default)] if claim.default else []
    decisive = next((fact for fact in facts if not fact.holds), facts[0])
    return Verdict(
        id=claim.id,
        text=claim.text or "",
        verdict="SUPPORTED" if all(fact.holds for fact in facts) else "REFUTED",
        reason="; ".join(fact.description for fact in facts),
        about=", ".join(dict.fromkeys(law.init for law in claim.law))
        or (claim.default.field if claim.default else ""),
        metric="law" if claim.law else "default",
        value=decisive.value,
        limit=decisive.expected,
        n=sum(fact.looked_at for fact in facts),
    )


def _counted(parts: tuple[Verdict, ...]) -> str:
    verdicts = ("SUPPORTED", "REFUTED", "UNDECIDED")
    counted = [(sum(part.verdict == verdict for part in parts), verdict.lower()) for verdict in verdicts]
    return ", ".join(f"{number} {verdict}" for number, verdict in counted if number)


def _p_within(check: Check) -> float:
    """Return the p of the bounds: the group with the least evidence for them decides a claim about several."""
    return 0.0 if check.p_outside is None else check.p_outside
