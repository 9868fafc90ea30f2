"""Where the command line prints: results on stdout, everything for people on stderr."""

import functools
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.text import Text

from initlab.api.failure import EXIT_UNEXPECTED, describe_failure, log_failure, shortened
from initlab.api.process import EXIT_INTERRUPTED
from initlab.api.terminal import SafeConsole, document_text, is_interactive
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
    return SafeConsole(stderr=stderr, width=width, force_interactive=None if is_interactive() else False)


def print_json(document: dict[str, Any]) -> None:
    """Print one JSON document on stdout and nothing else."""
    print(document_text(document, getattr(sys.stdout, "encoding", None)))


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Turn a user's mistake into one message and exit code 2; what nobody foresaw is logged, and exits with 70."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            returned = command(*args, **kwargs)
            sys.stdout.flush()
            return returned
        except InitlabError as error:
            say_error(str(error))
            raise typer.Exit(2) from error
        except BrokenPipeError:  # the reader of a pipe went away, as `| head` does
            _drop_output()
            raise typer.Exit(0) from None
        except KeyboardInterrupt:
            stderr().print("interrupted")
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except OSError as error:  # a full disk, a folder that may not be written: no bug, and nothing to report
            _drop_output()
            say_error(f"{error.filename or 'output'}: {error.strerror or error}")
            raise typer.Exit(2) from error
        except Exception as error:
            raise typer.Exit(unexpected(error)) from error

    return run


def unexpected(error: Exception) -> int:
    """Log an error that nobody foresaw, say so in one line, and return the exit code that nothing else has."""
    say_error(describe_failure(error, log_failure(error, sys.argv[1:])))
    return EXIT_UNEXPECTED


def _drop_output() -> None:
    """Send what stdout still holds nowhere: Python tries once more at its end, and would fail once more."""
    with suppress(OSError):  # a stdout that is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say_error(message: str) -> None:
    """Print a message on stderr, shortened where a wrong value made it longer than anybody reads."""
    stderr().print(Text.assemble(("error:", "bold red"), f" {shortened(message)}"), soft_wrap=True)
