"""Terminals: whether a person watches, and text that any of them can show, whatever it was that sent the text."""

import json
import os
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from initlab.files.escaping import json_text, visible


def is_interactive() -> bool:
    """Return whether stderr is a terminal, outside CI."""
    return sys.stderr.isatty() and not os.environ.get("CI")


class SafeConsole(Console):
    """A console on which no text acts: escape sequences and bidi marks of other people's text are written out.

    Markup is read in our own texts alone, which ask for it: a name such as ``p.py:x`` is no emoji.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"highlight": False, "emoji": False, **settings})

    def render_str(self, text: str, **settings: Any) -> Text:
        """Return a text that was given as one; rich drops some control characters here, which are to be shown."""
        return super().render_str(visible(text), **settings)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield what is shown of anything, the texts inside tables and panels among it."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


def document_text(document: dict[str, Any], encoding: str | None) -> str:
    """Return a document as JSON that a stream of an encoding can hold, every character the document's own."""
    text = json_text(json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False))
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(document, indent=1, allow_nan=False, ensure_ascii=True)
    return text
