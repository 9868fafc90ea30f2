"""``initlab gate`` and ``initlab claims``: what a stored sweep says of statements; for CI and for people."""

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from initlab.cli.console import guarded, print_json, stderr, stdout
from initlab.cli.verdicts import counted, print_verdicts
from initlab.errors import InitlabError
from initlab.results.reading import load_results
from initlab.verdicts.claims import judge_claims
from initlab.verdicts.gates import baseline_path, exit_code, judge_gates, overall
from initlab.verdicts.github import publish
from initlab.verdicts.junit import junit_xml
from initlab.verdicts.statement import read_claims, read_gates
from initlab.verdicts.verdict import Verdict, document

EXIT_INCOMPLETE = 3

Json = Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")]
Junit = Annotated[Path | None, typer.Option("--junit", help="write JUnit XML to this file", metavar="FILE")]


@guarded
def gate(
    path: Annotated[Path, typer.Argument(help="a sweep's folder")],
    gates: Annotated[Path, typer.Argument(help="gates.toml, or the folder it is in")],
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="the folder of the sweep to compare with", metavar="DIR")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="exit with 4 where nothing is red but something open")
    ] = False,
    junit: Junit = None,
    as_json: Json = False,
) -> None:
    """Check a stored sweep against limits and a baseline: exit 0 green, 1 red, 3 runs missing, 4 open (--strict)."""
    wanted, file = read_gates(gates)
    against = baseline_path(wanted, file, baseline)
    sweep = load_results(path)
    verdicts = judge_gates(wanted, file, sweep, None if against is None else load_results(against))
    result = overall(verdicts)
    _show(verdicts, f"initlab gate: {sweep.name}: {result}", as_json, junit, sweep.name)
    of = Counter(verdict.verdict for verdict in verdicts)
    outputs = {"verdict": result, **{word: str(of[word]) for word in ("pass", "fail", "inconclusive", "error")}}
    for line in publish(verdicts, f"initlab gate: {sweep.name}: {result}", outputs, os.environ):
        print(line, flush=True, file=sys.stderr if as_json else sys.stdout)
    if code := exit_code(result, strict=strict):
        raise typer.Exit(code)


@guarded
def claims(
    path: Annotated[Path, typer.Argument(help="a sweep's folder")],
    claims: Annotated[
        Path | None, typer.Argument(help="claims.toml, or the folder it is in; default: the sweep's own")
    ] = None,
    junit: Junit = None,
    as_json: Json = False,
) -> None:
    """Say of each claim whether a stored sweep supports or refutes it: exit 0 whatever comes out, 3 runs missing."""
    wanted, file = read_claims(claims or path)
    sweep = load_results(path)
    verdicts = judge_claims(wanted, file, sweep)
    _show(verdicts, f"initlab claims: {wanted.title or sweep.name}", as_json, junit, sweep.name)
    if not all(verdict.complete for verdict in verdicts):
        raise typer.Exit(EXIT_INCOMPLETE)


def _show(verdicts: list[Verdict], title: str, as_json: bool, junit: Path | None, suite: str) -> None:
    if junit is not None:
        _write(junit, junit_xml(verdicts, suite))
    if as_json:
        print_json(document(verdicts))
        return
    print_verdicts(stdout(), verdicts)
    stderr().print(f"{title} ({counted(verdicts)})", markup=False, soft_wrap=True)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InitlabError(f"cannot write to {path}: {error.strerror or error}") from error
