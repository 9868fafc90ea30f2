"""A report's formats: a word for each, and the nearest one for any other."""

import pytest

from initlab.errors import InitlabError
from initlab.reporting.formats import FORMATS, check_formats


def test_an_unknown_format_gets_the_nearest() -> None:
    check_formats(FORMATS)
    with pytest.raises(InitlabError, match="no report format 'htm'; did you mean 'html'"):
        check_formats(["md", "htm"])
