"""A sweep's folder as versions before the checksums stored it."""

import json
from pathlib import Path


def as_earlier_version(sweep: Path) -> None:
    """Take every checksum, size and count out of a stored sweep."""
    for path in sweep.rglob("*.json"):
        document = json.loads(path.read_text())
        for name in ("sha256", "files"):
            document.pop(name, None)
        path.write_text(json.dumps(document, indent=1) + "\n")
