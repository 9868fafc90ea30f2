"""``initlab gate`` and ``initlab claims``: what a stored sweep says of statements; for CI and for people."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from initlab.api.judging import Judgement
from initlab.api.judging import claims as judge_claims
from initlab.api.judging import gate as judge_gates
from initlab.cli.console import guarded, print_json, stderr, stdout
from initlab.cli.verdicts import counted, print_verdicts

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
    judgement = judge_gates(path, gates, baseline=baseline)
    _show(judgement, as_json, junit)
    for line in judgement.publish_to_github(os.environ):
        print(line, flush=True, file=sys.stderr if as_json else sys.stdout)
    if code := judgement.exit_code(strict=strict):
        raise typer.Exit(code)


@guarded
def claims(
    path: Annotated[Path, typer.Argument(help="a sweep's folder")],
    claims: Annotated[
        Path | None, typer.Argument(help="claims.toml, or the folder it is in; default: the sweep's own")
    ] = None,
    family: Annotated[
        str | None,
        typer.Option(
            "--family",
            help="control errors claim by claim, or over all measured claims (Holm); default: what the file says",
            metavar="claim|file",
        ),
    ] = None,
    junit: Junit = None,
    as_json: Json = False,
) -> None:
    """Say of each claim whether a stored sweep supports or refutes it: exit 0 whatever comes out, 3 runs missing."""
    judgement = judge_claims(path, claims, family=family)
    _show(judgement, as_json, junit)
    if code := judgement.exit_code():
        raise typer.Exit(code)


def _show(judgement: Judgement, as_json: bool, junit: Path | None) -> None:
    for line in judgement.notes:
        stderr().print(line, markup=False, soft_wrap=True)
    if junit is not None:
        judgement.write_junit(junit)
    if as_json:
        print_json(judgement.to_json())
        return
    print_verdicts(stdout(), judgement.verdicts)
    stderr().print(f"{judgement.title} ({counted(judgement.verdicts)})", markup=False, soft_wrap=True)
    if judgement.blind_spot:
        stderr().print(judgement.blind_spot, markup=False, soft_wrap=True)
