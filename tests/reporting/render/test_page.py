"""The page in a real browser, with the network off: every figure, no complaint, no request, a script that works."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.reporting.stored import Shape, make_sweep, write

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
REQUIRED = os.environ.get("INITLAB_REQUIRE_EXTRAS") == "1"
needs_chromium = pytest.mark.skipif(not CHROMIUM and not REQUIRED, reason="no Chromium on this machine")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--v=0",
]

# Done by a script of the test at the end of a copy of the page: what a reader would do with a pointer.
ACTIONS = """<script>
const heads = [...document.querySelectorAll("table.sortable th")];
const loss = heads.findIndex((head) => head.textContent.startsWith("final loss"));
heads[loss].click(); heads[loss].click();
const rows = [...document.querySelectorAll("table.sortable tbody tr")];
document.body.dataset.sorted = rows.map((row) => row.cells[loss].dataset.value).join(" ");
document.querySelector("#filter input").click();
document.body.dataset.hidden = document.querySelectorAll("figure svg .off").length;
const line = document.querySelectorAll("#loss-curves svg g[id^=loss-curves-s]:not(.off) path")[0];
line.scrollIntoView();
const box = line.getBoundingClientRect();
const at = { clientX: box.left, clientY: box.top, bubbles: true };
document.querySelector("#loss-curves svg").dispatchEvent(new PointerEvent("pointermove", at));
document.body.dataset.tip = document.getElementById("tip").textContent;
</script></body>"""


def rendered(page: Path, profile: Path) -> tuple[str, str]:
    """Return the DOM after scripts ran, and what the browser logged."""
    told = subprocess.run(
        [
            CHROMIUM,
            *FLAGS,
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={profile}",
            "--dump-dom",
            str(page),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return told.stdout, told.stderr


def complaints(log: str) -> list[str]:
    return [line for line in log.splitlines() if "CONSOLE" in line]


@pytest.mark.browser
@needs_chromium
def test_a_browser_shows_every_figure_and_has_no_complaint(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "s", shapes=[Shape(2), Shape(3, steps=0)])
    page = write(sweep.path)
    copy = tmp_path / "acted.html"
    copy.write_text(page.read_text().replace("</body>", ACTIONS))
    dom, log = rendered(copy, tmp_path / "profile")
    assert complaints(log) == []
    assert len(re.findall(r"<figure\b", dom)) == 10
    assert len(re.findall(r"<svg\b", dom)) == 10
    said = dict(re.findall(r'data-(sorted|hidden|tip)="([^"]*)"', dom))
    values = [float(value) for value in said["sorted"].split() if value]
    assert values == sorted(values, reverse=True)
    assert len(values) == 4
    assert int(said["hidden"]) > 10
    assert re.fullmatch(r".* · train\nx = 0, y = 5\.\d+", said["tip"])


@pytest.mark.browser
@needs_chromium
def test_the_browser_would_have_complained(tmp_path: Path) -> None:
    """The negative twin: a script error and a forbidden request both reach the log this file reads."""
    page = write(make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0]).path)
    broken = tmp_path / "broken.html"
    bad = '<img src="https://example.invalid/x.png"><script>nowhere();</script></body>'
    broken.write_text(page.read_text().replace("</body>", bad))
    _, log = rendered(broken, tmp_path / "profile")
    found = "\n".join(complaints(log))
    assert "nowhere is not defined" in found
    assert "Content Security Policy" in found
