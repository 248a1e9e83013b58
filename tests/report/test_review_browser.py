"""The review in a real browser: keys, filters, the file that is saved, and what the catalog makes of it."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import CHROMIUM, Browser
from report_samples import make_night

from astrodetect import Catalog
from astrodetect.catalogs.labelling import label_catalog
from astrodetect.catalogs.reviews import read_reviews
from astrodetect.evaluation import read_truth
from astrodetect.report import ReportSettings, write_report

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium, which is not installed")

ROWS = "[...document.querySelectorAll('.recording tr[data-id]')]"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with Browser(tmp_path / "browser") as opened:
        yield opened


def click(browser: Browser, name: str) -> None:
    browser.ask(f"document.getElementById('{name}').click()")


def choose(browser: Browser, name: str, value: str) -> None:
    browser.ask(
        f"(() => {{ const field = document.getElementById('{name}'); field.value = '{value}'; "
        "field.dispatchEvent(new Event('change', {bubbles: true})); })()"
    )


def saved(browser: Browser) -> list[dict[str, Any]]:
    (path,) = wait_for_files(browser.downloads)
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def wait_for_files(folder: Path) -> list[Path]:
    for _ in range(400):
        found = [path for path in folder.iterdir() if path.suffix == ".csv"]
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("nothing was saved")


def n_shown(browser: Browser, selector: str) -> int:
    return int(
        browser.ask(f"[...document.querySelectorAll({selector!r})].filter(e => e.checkVisibility()).length")
    )


def test_what_is_said_by_keyboard_is_saved_and_comes_back_in_the_catalog(
    tmp_path: Path, browser: Browser
) -> None:
    night = make_night(tmp_path)
    browser.open(write_report(night).page)
    browser.ask("document.getElementById('review-name').value = 'Ada, \"the first\"'")
    click(browser, "show-rejected")
    browser.press("a")  # counts only while the panel is open
    browser.press("v", "a", "r", "2", "k", "k", "j", "s")
    assert browser.ask("document.getElementById('review-count').textContent") == "3 of 4, 3 reviewed"
    second = browser.ask("[...document.querySelectorAll('#review-label option')][1].value")
    rows = saved(browser)
    assert [(row["verdict"], row["label"], row["label_automatic"]) for row in rows] == [
        ("accept", "", "meteor"),
        ("reject", "", "lightning"),
        ("reject", second, "meteor"),
    ]
    assert {row["reviewer"] for row in rows} == {'Ada, "the first"'}
    assert browser.messages == []

    done = label_catalog(night, read_reviews(wait_for_files(browser.downloads)[0]))
    assert (done.n_changed, done.unknown) == (3, [])
    with Catalog(night) as catalog:
        assert list(catalog.detections["label"]) == ["meteor", "lightning", second, "lightning"]
        assert list(catalog.detections["verdict"]) == ["accept", "reject", "reject", ""]
    browser.open(write_report(night).page)
    assert browser.ask(ROWS + ".filter(row => row.dataset.said).length") == 3
    assert "by Ada" in browser.ask("document.body.innerText")
    # A review file is a truth file, too.
    assert len(read_truth(wait_for_files(browser.downloads)[0])) == 3


def test_a_review_survives_a_reload_and_can_be_undone(tmp_path: Path, browser: Browser) -> None:
    page = write_report(make_night(tmp_path)).page
    browser.open(page)
    browser.press("v", "r", "a")
    browser.open(page)
    assert browser.ask(ROWS + ".map(row => row.dataset.verdict ?? '')") == ["reject", "", "accept", ""]
    choose(browser, "by-review", "open")
    assert n_shown(browser, ".recording tbody tr.accepted") == 0
    choose(browser, "by-review", "")
    browser.press("v", "u", "Escape")
    assert browser.ask(ROWS + ".map(row => row.dataset.verdict ?? '')") == ["", "", "accept", ""]
    assert browser.ask("document.getElementById('review').hidden")
    assert browser.ask("document.activeElement.id") == "review-start"


def test_filters_by_probability_and_time_and_clips_play(tmp_path: Path, browser: Browser) -> None:
    browser.open(write_report(make_night(tmp_path)).page)
    rows = ".recording tbody tr"
    assert n_shown(browser, rows) == 3  # two meteors, the camera's own
    choose(browser, "by-probability", "0.95")
    assert n_shown(browser, rows) == 1
    assert n_shown(browser, ".of-the-night tbody tr") == 0
    choose(browser, "by-probability", "0.9")
    assert n_shown(browser, ".of-the-night tbody tr") == 2
    choose(browser, "until", "2020-01-01T00:00:00")
    assert n_shown(browser, rows) == 0
    choose(browser, "until", "2030-01-01T00:00:00")
    assert n_shown(browser, rows) == 2
    assert n_shown(browser, ".timeline a") == 2
    assert n_shown(browser, ".map a") == 2
    browser.ask("document.querySelector('.recording a.clip').scrollIntoView()")
    browser.ask("document.querySelector('.recording a.clip').click()")
    browser.wait("document.querySelector('.recording a.clip img').naturalWidth > 0")
    assert browser.ask("document.querySelector('.recording a.clip img').src").endswith("-clip.webp")
    browser.ask("document.querySelector('.recording a.clip').click()")
    assert browser.ask("document.querySelector('.recording a.clip img').src").endswith(".png")
    click(browser, "show-patches")
    assert n_shown(browser, ".overlay .patch") == 0  # the pipeline of these samples selects none
    assert browser.messages == []


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window_and_every_control_has_a_name(
    tmp_path: Path, browser: Browser, width: int
) -> None:
    browser.resize(width, 800)
    browser.open(write_report(make_night(tmp_path)).page)
    browser.press("v")
    assert browser.ask("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    unnamed = browser.ask(
        "[...document.querySelectorAll('input, select, button, a')].filter(e => !(e.labels?.length || "
        "e.getAttribute('aria-label') || e.textContent.trim())).map(e => e.outerHTML)"
    )
    assert unnamed == []
    tree = browser.call("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "link", "checkbox", "combobox", "textbox"}
    focusable = [
        node for node in tree
        if not node["ignored"] and node["role"]["value"] in roles
    ]  # fmt: skip
    assert len(focusable) > 20
    assert [node["role"]["value"] for node in focusable if not node.get("name", {}).get("value")] == []


def test_pictures_of_colours_have_enough_contrast(tmp_path: Path, browser: Browser) -> None:
    page = write_report(make_night(tmp_path)).page
    script = """
    (() => {
      const probe = document.createElement('i'), style = getComputedStyle(document.documentElement);
      const colour = (name) => {
        probe.style.color = style.getPropertyValue(name); document.body.append(probe);
        const [r, g, b] = getComputedStyle(probe).color.match(/\\d+/g).map(Number).map(v => v / 255)
          .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const contrast = (a, b) => { const [l, d] = [colour(a), colour(b)].sort((x, y) => y - x);
        return (l + 0.05) / (d + 0.05); };
      return [['--ink', '--paper'], ['--soft', '--paper'], ['--soft', '--panel'], ['--link', '--paper'],
        ['--accepted', '--paper'], ['--rejected', '--paper'], ['--warn-ink', '--warn'],
      ].map(pair => contrast(...pair));
    })()"""
    for dark in (False, True):
        if dark:
            browser.dark()
        browser.open(page)
        assert min(browser.ask(script)) >= 4.5


@pytest.mark.slow
def test_five_thousand_detections_stay_usable(tmp_path: Path, browser: Browser) -> None:
    page = write_report(make_night(tmp_path, 2500), settings=ReportSettings(width=320)).page
    start = time.monotonic()
    browser.open(page)
    opened = time.monotonic() - start
    asked = {}
    for name, does in {
        "rejected": "document.getElementById('show-rejected').click()",
        "label": "document.getElementById('by-label').value = 'lightning'; "
        "document.getElementById('by-label').dispatchEvent(new Event('change', {bubbles: true}))",
        "review": "document.getElementById('review-start').click()",
        "reject": "document.getElementById('review-reject').click()",
    }.items():
        # Until the next frame has been drawn: what a person waits for.
        asked[name] = browser.ask(
            f"(async () => {{ const start = performance.now(); {does}; await new Promise(done => "
            "requestAnimationFrame(() => setTimeout(done))); return performance.now() - start; })()"
        )
    told = f"page of {page.stat().st_size / 1e6:.1f} MB opened in {opened:.1f} s; then (ms): {asked}"
    sys.stdout.write(told + "\n")  # pytest -s shows it
    assert browser.ask(ROWS + ".length") == 5000
    assert opened < 30
    assert max(asked.values()) < 5000
