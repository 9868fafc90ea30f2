"""What a report may be written as."""

from collections.abc import Iterable

from initlab.errors import InitlabError, did_you_mean

FORMATS = ("html", "md", "csv", "json")


def check_formats(formats: Iterable[str]) -> None:
    """Raise InitlabError for a format that does not exist, with the nearest one."""
    for name in formats:
        if name not in FORMATS:
            raise InitlabError(f"no report format {name!r}{did_you_mean(name, FORMATS)}")
