"""Where the command line prints: results on stdout, everything for people on stderr."""

import functools
import json
import os
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import typer
from rich.console import Console

from initlab.api.terminal import is_interactive
from initlab.errors import InitlabError

P = ParamSpec("P")
R = TypeVar("R")

CI_WIDTH = 160
"""Columns of tables where there is no terminal to ask; 80 would break every label."""


def stderr() -> Console:
    return _console(sys.stderr, stderr=True)


def stdout() -> Console:
    return _console(sys.stdout, stderr=False)


def _console(stream: Any, *, stderr: bool) -> Console:
    width = None if stream.isatty() or "COLUMNS" in os.environ else CI_WIDTH
    return Console(stderr=stderr, width=width, highlight=False, force_interactive=None if is_interactive() else False)


def print_json(document: dict[str, Any]) -> None:
    """Print one JSON document on stdout and nothing else."""
    print(json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False))


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Turn a user's mistake into one message and exit code 2; it never shows a traceback."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except InitlabError as error:
            stderr().print(f"[bold red]error:[/] {_escape(str(error))}", soft_wrap=True)
            raise typer.Exit(2) from error
        except BrokenPipeError:  # the reader of a pipe went away, as `| head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None

    return run


def _escape(text: str) -> str:
    return text.replace("[", r"\[")
