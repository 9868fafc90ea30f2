"""The one exception that means "the user can fix this".

The command line prints its message and exits with code 2; nothing else is ever shown without a traceback.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class InitlabError(Exception):
    """A mistake in a spec, a flag, a file or a name. The message says what, where and the nearest right thing.

    >>> import initlab
    >>> try:
    ...     initlab.explain("depth-scald")
    ... except initlab.InitlabError as error:
    ...     print(error)
    unknown init 'depth-scald'; did you mean 'depth-scaled'?
    """


class Stopped(BaseException):
    """Whoever runs the process wants it to end: no ``Exception``, since what it stops has not failed."""


LONGEST_COMPARED = 100
"""Characters of a wrong name that are compared with the right ones."""


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest option, else the short list of what is legal."""
    options = sorted(options)
    close = get_close_matches(name[:LONGEST_COMPARED], options, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    shown = ", ".join(options[:12]) + (", ..." if len(options) > 12 else "")
    return f"; legal are: {shown}" if options else ""
