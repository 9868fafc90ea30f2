"""What a verb returns: a value with one public JSON document, the same that ``--json`` prints."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from initlab.files.escaping import html, visible
from initlab.files.json import SCHEMA_VERSION, finite

if TYPE_CHECKING:
    import pandas as pd


class PublicValue(ABC):
    """A value with a JSON document, and with words for people."""

    @abstractmethod
    def document(self) -> dict[str, Any]:
        """Return the document's own keys."""

    @abstractmethod
    def describe(self) -> str:
        """Return a few lines for people: what ``repr`` shows."""

    def to_json(self) -> dict[str, Any]:
        """Return the public document: JSON types alone, NaN and infinities as None, with its ``schema_version``."""
        document: dict[str, Any] = finite({"schema_version": SCHEMA_VERSION, **self.document()})
        return document

    def __repr__(self) -> str:
        return visible(self.describe())

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return f"<pre>{html(self.describe())}</pre>"


class PublicTable(PublicValue):
    """A value that is a table too."""

    @abstractmethod
    def to_frame(self) -> "pd.DataFrame":
        """Return the table, tidy: one row a thing, one column a fact."""

    def _repr_html_(self) -> str:
        """What a notebook shows: the heading, and the table as pandas draws it."""
        heading = self.describe().splitlines()[0]
        table: str = self.to_frame().to_html(index=False, max_rows=60, na_rep="")
        return f"<p>{html(heading)}</p>{visible(table)}"
