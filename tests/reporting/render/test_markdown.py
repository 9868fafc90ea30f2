"""Markdown: other people's text is never markup."""

from initlab.files.escaping import markdown
from initlab.reporting.render.markdown import table


def test_what_would_be_markup_is_made_plain() -> None:
    assert markdown("a|b *c* <i> & `d`\n[e](f)") == r"a\|b \*c\* &lt;i&gt; &amp; \`d\` \[e\](f)"


def test_a_table_has_a_line_a_row_and_escaped_cells() -> None:
    lines = table(("name", "value"), [("a|b", "1"), ("c", "2")]).splitlines()
    assert lines == ["| name | value |", "| --- | --- |", r"| a\|b | 1 |", "| c | 2 |"]
