"""What a stored sweep says of statements: gates, which decide an exit code, and claims."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from initlab.errors import InitlabError
from initlab.files.public import PublicTable
from initlab.files.untrusted import check_output, named_path
from initlab.results.reading import Results, load_results
from initlab.stats.rates import blind_spot
from initlab.verdicts.claims import judge_claims, known_family, measured_claims
from initlab.verdicts.gates import Result, baseline_path, exit_code, judge_gates, overall
from initlab.verdicts.github import publish
from initlab.verdicts.junit import junit_xml
from initlab.verdicts.statement import read_claims, read_gates
from initlab.verdicts.verdict import Verdict, fewest_seeds

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Judgement", "Verdict", "claims", "gate"]

EXIT_INCOMPLETE = 3


@dataclass(frozen=True, repr=False)
class Judgement(PublicTable):
    """The verdicts on a file of claims or gates; ``title`` heads them where they are shown.

    ``result`` is pass, fail, inconclusive or error for gates, the worst of them; None for claims. ``family`` is
    within what the errors of claims are controlled; ``seeds`` the fewest that a measured verdict rests on.
    """

    title: str
    suite: str
    verdicts: tuple[Verdict, ...]
    result: Result | None = None
    family: str | None = None
    seeds: int | None = None
    notes: tuple[str, ...] = ()
    """What of the sweeps read is damaged, or was stored without checksums."""

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self.verdicts)

    def __len__(self) -> int:
        return len(self.verdicts)

    @property
    def counts(self) -> dict[str, int]:
        """How often each verdict was returned."""
        return dict(Counter(verdict.verdict for verdict in self.verdicts))

    @property
    def complete(self) -> bool:
        """Whether every run that a statement needs has a result."""
        return all(verdict.complete for verdict in self.verdicts)

    def exit_code(self, *, strict: bool = False) -> int:
        """Return what the command ends with: see ``initlab gate --help`` and ``initlab claims --help``."""
        if self.result is None:
            return 0 if self.complete else EXIT_INCOMPLETE
        return exit_code(self.result, strict=strict)

    def to_junit(self) -> str:
        """Return JUnit XML, a test case for each check."""
        return junit_xml(list(self.verdicts), self.suite)

    def write_junit(self, path: str | Path) -> None:
        """Write the JUnit XML to a file; raises InitlabError where it cannot be written."""
        path = named_path(path, "JUnit file")
        check_output(path, "JUnit XML")
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(self.to_junit(), encoding="utf-8")
        except OSError as error:
            raise InitlabError(f"cannot write to {path}: {error.strerror or error}") from error

    def publish_to_github(self, environ: Mapping[str, str]) -> list[str]:
        """Write GitHub's step summary and outputs where ``environ`` names their files; return its annotations."""
        words = ("pass", "fail", "inconclusive", "error")
        outputs = {"verdict": str(self.result), **{word: str(self.counts.get(word, 0)) for word in words}}
        return list(publish(list(self.verdicts), self.title, outputs, environ))

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = {"verdicts": [verdict.to_json() for verdict in self.verdicts]}
        found |= {"family": self.family} if self.family else {}
        return found | ({"blind_spot": self.blind_spot} if self.blind_spot else {})

    @property
    def blind_spot(self) -> str:
        """What so few seeds cannot see, in a sentence; empty where nothing was measured."""
        return blind_spot(self.seeds) if self.seeds else ""

    def to_frame(self) -> "pd.DataFrame":
        """Return one row a verdict: id, verdict, about, value, limit, ci_low, ci_high, sides, n, reason, text."""
        import pandas as pd

        measured = ["metric", "value", "limit", "ci_low", "ci_high", "sides", "n"]
        columns = ["id", "verdict", "about", *measured, "reason", "text"]
        rows = []
        for verdict in self.verdicts:
            low, high = verdict.ci or (None, None)
            rows.append({**verdict.to_json(), "ci_low": low, "ci_high": high})
        return pd.DataFrame(rows, columns=columns)

    def describe(self) -> str:
        counted = ", ".join(f"{number} {verdict}" for verdict, number in self.counts.items())
        lines = [f"{verdict.verdict:<12} {verdict.id}: {verdict.reason}" for verdict in self.verdicts]
        return "\n".join([f"{self.title} ({counted})", *lines])


def gate(path: str | Path, gates: str | Path, *, baseline: str | Path | None = None) -> Judgement:
    """Check the sweep stored at ``path`` against the limits in ``gates``: a gates.toml, or the folder it is in.

    ``baseline`` is the folder of the sweep to compare with, where the file names none. Raises InitlabError where a
    gate asks for what the sweep has not.

    >>> import initlab
    >>> from pathlib import Path
    >>> _ = initlab.sweep(init="gpt2", n_layer=1, n_embd=16, n_head=1, block_size=8, steps=0, seeds=3, jobs=1,
    ...                   out="results/gated", progress=False)
    >>> text = '[[gate]]\\nid = "quiet"\\nmetric = "growth"\\nmax = 100.0\\n'
    >>> _ = Path("gates.toml").write_text(text)
    >>> initlab.gate("results/gated", "gates.toml").result
    'pass'
    """
    statements, file = read_gates(named_path(gates, "gates file"))
    against = baseline_path(statements, file, None if baseline is None else named_path(baseline, "baseline"))
    sweep = load_results(named_path(path, "sweep"))
    known = None if against is None else load_results(against)
    verdicts = judge_gates(statements, file, sweep, known)
    result = overall(verdicts)
    notes = (*_notes(sweep), *(() if known is None else _notes(known)))
    title = f"initlab gate: {sweep.name}: {result}"
    return Judgement(title, sweep.name, tuple(verdicts), result, seeds=fewest_seeds(verdicts), notes=notes)


def _notes(results: Results) -> tuple[str, ...]:
    unchecked = results.unchecked
    line = f"{results.path}: {unchecked} runs stored by an earlier version, without checksums: read unchecked"
    return (*results.problems, *([line] if unchecked else []))


def claims(path: str | Path, claims: str | Path | None = None, *, family: str | None = None) -> Judgement:
    """Say of each claim whether the sweep stored at ``path`` supports or refutes it.

    ``claims`` is a claims.toml or the folder it is in; the sweep's own where it is not given. ``family`` is within
    what errors are controlled, in place of what the file says: ``"claim"``, each by itself, or ``"file"``, all of
    them together. Raises InitlabError where a claim asks for what the sweep or the laws have not.

    >>> import initlab
    >>> from pathlib import Path
    >>> _ = initlab.sweep(init="gpt2", n_layer=1, n_embd=16, n_head=1, block_size=8, steps=0, seeds=3, jobs=1,
    ...                   out="results/claimed", progress=False)
    >>> text = '[[claim]]\\nid = "grows"\\ntext = "it grows"\\nmetric = "growth"\\nmin = 0.5\\n'
    >>> _ = Path("claims.toml").write_text(text)
    >>> [verdict.verdict for verdict in initlab.claims("results/claimed", "claims.toml")]
    ['SUPPORTED']
    """
    statements, file = read_claims(named_path(path if claims is None else claims, "claims file"))
    sweep = load_results(named_path(path, "sweep"))
    chosen = known_family(family) or statements.family
    verdicts = judge_claims(statements, file, sweep, chosen)
    title = f"initlab claims: {statements.title or sweep.name}"
    if chosen == "file":
        title += f", errors controlled over the file's {measured_claims(statements)} measured claims"
    seeds = fewest_seeds(verdicts)
    return Judgement(title, sweep.name, tuple(verdicts), family=chosen, seeds=seeds, notes=_notes(sweep))
