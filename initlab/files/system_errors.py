"""What the system refused, in words that say what to do about it."""

import errno

_ADVICE = {
    errno.ENOSPC: "make space on that disk",
    errno.EDQUOT: "your quota there is used up",
    errno.EIO: "the disk reports an error: look at it before you go on",
    errno.ESTALE: "the network file system has lost it: mount it again",
    errno.EMFILE: "raise the limit with `ulimit -n`",
    errno.ENFILE: "the machine has too many files open",
    errno.EACCES: "its permissions keep this user out",
    errno.EPERM: "its permissions keep this user out",
    errno.EROFS: "it is mounted for reading only",
}


def explain_os_error(error: OSError) -> str:
    """Return the system's own words and, where there is some, what to do: ``No space left on device; make space``."""
    said = error.strerror or str(error) or type(error).__name__
    advice = _ADVICE.get(error.errno or 0)
    return f"{said}; {advice}" if advice else said
