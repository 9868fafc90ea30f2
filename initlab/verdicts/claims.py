"""Claims: statements as data, each with a verdict and its numbers.

SUPPORTED where the whole confidence interval lies within what is stated, in every group of cells it is about. REFUTED
where the evidence against it in any group stands up after Holm's correction over the claim's groups, at the level
1 - confidence. Everything else is UNDECIDED, with what would decide it.
"""

from dataclasses import dataclass

from initlab.errors import InitlabError
from initlab.files.toml import TomlFile
from initlab.results.metrics import metric_named
from initlab.results.reading import Results
from initlab.verdicts.check import Check, Outcome, decide, describe_bounds
from initlab.verdicts.evidence import checks
from initlab.verdicts.facts import Fact, default_fact, law_fact
from initlab.verdicts.statement import Claim, ClaimsFile, read_claims
from initlab.verdicts.verdict import Verdict

VERDICTS: dict[Outcome, str] = {"holds": "SUPPORTED", "fails": "REFUTED", "open": "UNDECIDED", "unknown": "UNDECIDED"}
DECISIVE: tuple[Outcome, ...] = ("fails", "unknown", "open", "holds")


def judge_claims(claims: ClaimsFile, file: TomlFile, results: Results) -> list[Verdict]:
    """Return a verdict for each claim, in the file's order.

    Raises InitlabError, naming key and line, where a claim asks for what the results or the laws do not have.
    """
    verdicts = []
    for number, claim in enumerate(claims.claim):
        try:
            verdicts.append(_judged(claim, results, claims.confidence))
        except InitlabError as error:
            raise InitlabError(f"{file.where(('claim', number))}: {error}") from error
    return verdicts


@dataclass(frozen=True)
class JudgedClaims:
    """What a report shows: verdicts, or the reason why there are none."""

    verdicts: tuple[Verdict, ...] = ()
    problem: str | None = None


NO_CLAIMS = JudgedClaims()


def stored_claims(results: Results) -> JudgedClaims:
    """Judge the ``claims.toml`` in a sweep's own folder; nothing where there is none.

    A sweep changed by flags may lack what its claims are about: that is a problem to show, not an error.
    """
    if not (results.path / "claims.toml").is_file():
        return NO_CLAIMS
    try:
        return JudgedClaims(tuple(judge_claims(*read_claims(results.path), results)))
    except InitlabError as error:
        return JudgedClaims(problem=str(error).replace(f"{results.path}/", ""))


def _judged(claim: Claim, results: Results, confidence: float) -> Verdict:
    if claim.metric is None:
        facts = [law_fact(law) for law in claim.law]
        facts += [default_fact(claim.default)] if claim.default else []
        return _verdict_on_facts(claim, facts)
    judged = checks(claim, results, confidence)
    outcomes = decide(judged, 1 - confidence)
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
        n=part.n,
        complete=all(one.complete for one in parts),
        parts=parts if len(parts) > 1 else (),
    )


def _part(claim: Claim, check: Check, outcome: Outcome) -> Verdict:
    metric = metric_named(check.metric)
    unit = "" if claim.reduce in ("slope", "ratio", "optimum", "stable_decades") else metric.unit
    if claim.compare and metric.positive:
        unit = "×"
    return Verdict(
        id=claim.id,
        text=claim.text or "",
        verdict=VERDICTS[outcome],
        reason=check.problem or check.describe(unit, outcome),
        about=check.label,
        metric=check.metric,
        value=check.value,
        limit=check.limit,
        ci=check.interval,
        n=check.n,
        complete=check.problem is None,
    )


def _verdict_on_facts(claim: Claim, facts: list[Fact]) -> Verdict:
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
