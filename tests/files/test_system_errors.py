"""What the system refused is said in its words, and with what to do."""

import errno
import os

import pytest

from initlab.files.system_errors import explain_os_error


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "make space"),
        (errno.EDQUOT, "quota"),
        (errno.EIO, "disk"),
        (errno.ESTALE, "mount it again"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EACCES, "permissions"),
        (errno.EROFS, "reading only"),
    ],
)
def test_the_systems_words_and_what_to_do(number: int, advice: str) -> None:
    words, _, said = explain_os_error(OSError(number, os.strerror(number), "/a/path")).partition("; ")
    assert words == os.strerror(number)
    assert advice in said


def test_an_error_that_nobody_knows_is_said_as_it_is() -> None:
    assert explain_os_error(OSError(errno.ENOTEMPTY, "Directory not empty")) == "Directory not empty"
    assert explain_os_error(OSError("odd")) == "odd"
    assert explain_os_error(OSError()) == "OSError"
