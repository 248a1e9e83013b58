"""The page in a real browser: nothing refused, toggles, filter and sorting work, no overflow on a phone."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from report_samples import make_night

from astrodetect.report import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium, which is not installed")

#: Asks the page as a user would, by clicking, and leaves what was seen as JSON in its title.
SCRIPT = """
const seen = {};
const visible = (e) => !e || (getComputedStyle(e).display !== 'none' && visible(e.parentElement));
const shown = (selector) => [...document.querySelectorAll(selector)].filter(visible).length;
const click = (id) => document.getElementById(id).click();
const images = [...document.images].filter(visible);
seen.loaded = images.every(image => image.complete && image.naturalWidth > 0);
seen.images = images.length;
seen.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
seen.start = [shown('tr.rejected'), shown('tr.accepted'), shown('.mark.rejected'), shown('.mark.accepted')];
seen.picture = [shown('.of-accepted'), shown('.of-all')];
// Where the track is drawn, against where the pixels of the picture are.
// What is off the screen is laid out only when it comes near; here it has to be at once.
for (const section of document.querySelectorAll('.recording')) section.style.contentVisibility = 'visible';
const image = document.querySelector('.of-accepted').getBoundingClientRect();
const circle = document.querySelector('.mark.accepted circle').getBoundingClientRect();
seen.start_xy = [(circle.x + circle.width / 2 - image.x) / image.width * 80 - 0.5,
                 (circle.y + circle.height / 2 - image.y) / image.height * 48 - 0.5];
click('show-rejected');
seen.rejected = [shown('tr.rejected'), shown('.mark.rejected')];
seen.pictureAll = [shown('.of-accepted'), shown('.of-all')];
click('show-boxes'); seen.boxes = shown('.box');
click('show-tracks'); seen.tracks = shown('.track');
click('show-names'); seen.names = shown('.name');
click('show-camera'); seen.camera = shown('tr.camera');
const select = document.getElementById('by-label');
const choose = (value) => {
  select.value = value;
  select.dispatchEvent(new Event('change', {bubbles: true}));
};
choose('lightning');
seen.lightning = [shown('tr.accepted'), shown('tr.rejected')];
click('show-rejected');
seen.none = [shown('#none-shown'), shown('.recording')];
choose('');
const first = document.querySelector('.recording table');
const names = () => [...first.tBodies[0].rows].map(row => row.cells[0].textContent);
const sorted = (column) => {
  first.tHead.rows[0].cells[column].querySelector('button').click();
  return names();
};
seen.order = [names(), sorted(4), sorted(4), sorted(8), sorted(8)];
seen.aria = first.tHead.rows[0].cells[8].getAttribute('aria-sort');
document.title = JSON.stringify(seen);
"""


def browse(page: Path, profile: Path, *options: str) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM is not None
    flags = (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--enable-logging=stderr", f"--user-data-dir={profile}", "--dump-dom",
    )  # fmt: skip
    return subprocess.run(
        [CHROMIUM, *flags, *options, page.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )


def ask(page: Path, profile: Path, width: int) -> dict[str, Any]:
    """Give what a script of ours sees; the policy, which lets no script in but the page's, is taken off."""
    source = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text())
    source = source.replace(
        "</body>", f"<script>addEventListener('load', () => {{{SCRIPT}}})</script></body>"
    )
    copy = page.with_name("asked.html")
    copy.write_text(source.replace('loading="lazy"', ""))
    dom = browse(copy, profile, f"--window-size={width},900").stdout
    title = re.search(r"<title>(.*?)</title>", dom, re.S)
    assert title is not None
    seen: dict[str, Any] = json.loads(html.unescape(title[1]))
    return seen


def test_page_as_it_is_loads_without_a_complaint(tmp_path: Path) -> None:
    page = write_report(make_night(tmp_path)).page
    done = browse(page, tmp_path / "profile")
    assert not [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    # The script has run: it hides the line about an empty choice and takes part in nothing else.
    assert '<p id="none-shown" hidden="">' in done.stdout


@pytest.mark.parametrize("width", [1280, 500])
def test_toggles_filter_and_sorting(tmp_path: Path, width: int) -> None:
    page = write_report(make_night(tmp_path)).page
    seen = ask(page, tmp_path / "profile", width)
    assert seen["loaded"]
    assert seen["images"] == 2 + 2 + 2 + 1  # the night's table, two pictures, their rows, the camera's
    assert seen["wide"] <= 0
    assert seen["start"] == [0, 4, 0, 2]  # rows of the night's table and of the recordings; marks
    assert seen["rejected"] == [4, 2]
    assert seen["picture"] == [4, 0]  # picture and caption of each recording
    assert seen["pictureAll"] == [0, 4]
    assert (seen["boxes"], seen["tracks"], seen["names"], seen["camera"]) == (0, 0, 0, 0)
    assert seen["lightning"] == [0, 4]
    assert seen["none"] == [1, 0]
    # By probability up and down, by signal-to-noise up and down; what is not known comes last.
    assert seen["order"] == [
        ["1", "2", "C1"],
        ["2", "1", "C1"],
        ["1", "2", "C1"],
        ["1", "2", "C1"],
        ["1", "2", "C1"],
    ]
    assert seen["aria"] == "descending"
    assert seen["start_xy"] == pytest.approx([20, 30], abs=0.1)
