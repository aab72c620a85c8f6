"""The page in a real browser: headless Chromium renders its plot and tables, light and dark."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from PIL import Image
from verify_samples import results

from mshare_pkg.run import run
from mshare_pkg.verify import html, report

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="chromium is not installed: apt-get install chromium"
)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--window-size=1100,1500",
]
INK = {"light": (0x1C, 0x20, 0x24), "dark": (0xE6, 0xE9, 0xEC)}
PAPER = {"light": (255, 255, 255), "dark": (0x15, 0x18, 0x1B)}
PRIVATE = {"light": (0xB3, 0x40, 0x0A), "dark": (0xFF, 0x9A, 0x5C)}
SHARED = {"light": (0x0B, 0x66, 0xA8), "dark": (0x63, 0xB8, 0xFF)}


def browse(page: Path, *arguments: str) -> str:
    """Chromium's standard output for a page."""
    profile = page.parent / "profile"
    argv = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", *arguments, page.as_uri()]
    return run(argv, doing="opening the report in Chromium", timeout=120).stdout


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html.render(report.make(results("mounted"))))
    return path


def test_the_browser_sees_plot_and_tables(page: Path) -> None:
    dom = browse(page, "--dump-dom")
    assert len(re.findall(r"<svg[^>]*id=\"plot\"", dom)) == 1
    assert dom.count('<path d="M') > 10
    assert "private: each process has its own page tables" in dom
    tables = re.findall(r"<table.*?</table>", dom, re.DOTALL)
    assert [table.count("<tr>") for table in tables] == [3, 3, 4, 4]
    assert "32.2 MiB" in tables[0]
    assert "540 KiB" in tables[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_plot_and_text_are_drawn(page: Path, scheme: str) -> None:
    shot = page.parent / f"{scheme}.png"
    dark = ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    browse(page, f"--screenshot={shot}", *dark)
    with Image.open(shot) as image:
        colours = {colour: count for count, colour in image.convert("RGB").getcolors(1 << 24) or []}
        size = image.size[0] * image.size[1]
    assert colours.get(PAPER[scheme], 0) > size / 2
    assert colours.get(INK[scheme], 0) > 500
    assert colours.get(PRIVATE[scheme], 0) > 300
    assert colours.get(SHARED[scheme], 0) > 300
