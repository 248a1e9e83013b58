"""Plots show what they are given, in the coordinates of the frame, and are written whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from stranger_packages import astrodetect

from astrodetect import plots
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.maps import Patches, ScoreMap, Selection
from astrodetect.core.samples import sample_detections, sample_selection, sample_window
from astrodetect.evaluation import Rate


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plots")
    made = astrodetect("simulate", "night", "--recordings", "2", "--frames", "66", cwd=folder)
    assert made.returncode == 0, made.stderr
    ran = astrodetect("run", "--pipeline", "meteor", "night", "--out", "night.h5", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    return folder


def sample_patches() -> Patches:
    corners = np.array([[0, 0], [10, 20], [-4, 30]])
    return Patches(np.ones((3, 1, 16, 16), np.float32), ("image",), corners, sample_selection())


@pytest.mark.parametrize(
    "arguments",
    [
        ("attention",), ("patches",), ("tracks", "--rejected"), ("lightcurve",),
        ("evaluation", "--truth", "night/truth.csv"), ("completeness", "--truth", "night/truth.csv"),
    ],
    ids=lambda arguments: arguments[0],
)  # fmt: skip
def test_each_figure_is_made_from_a_catalog(night: Path, arguments: tuple[str, ...]) -> None:
    name, *rest = arguments
    done = astrodetect("plot", name, "night.h5", *rest, cwd=night)
    assert (done.returncode, done.stdout) == (0, f"night-{name}.pdf\n"), done.stderr
    written = (night / f"night-{name}.pdf").read_bytes()
    assert written.startswith(b"%PDF-")
    assert b"/Type3" not in written  # text stays text, as journals ask


def test_what_cannot_be_drawn_is_one_line(night: Path) -> None:
    for arguments, what in (
        (("tracks", "night.h5", "-o", "x.jpg"), "x.jpg: the ending says no format; expected .pdf"),
        (("tracks", "night.h5", "-o", "none/x.pdf"), "none/x.pdf: the folder none does not exist"),
        (("lightcurve", "night.h5", "--detection", "5"), "night.h5: holds no detection 5"),
        (("attention", "night.h5", "--recording", "x"), "night.h5: holds no detection in x"),
    ):
        done = astrodetect("plot", *arguments, cwd=night)
        assert done.returncode == 2
        assert what in done.stderr
        assert done.stderr.count("\n") == 1
    assert not list(night.glob("x.*"))


def test_without_matplotlib_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None\nfrom astrodetect.plots import new_figure\nnew_figure()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'pip install "astrodetect[plot]"' in done.stderr


def test_the_frame_lies_as_the_camera_shows_it() -> None:
    window = sample_window()
    axes = plots.plot_image(window.planes["image"])
    height, width = window.shape
    assert axes.get_xlim() == (-0.5, width - 0.5)
    assert axes.get_ylim() == (height - 0.5, -0.5)


def test_a_cell_lies_where_the_map_says() -> None:
    window = sample_window()
    scores = ScoreMap(np.arange(12, dtype=np.float32).reshape(3, 4), (16.0, 24.0), (7.5, 11.5))
    axes = plots.plot_attention(window.planes["image"], scores, sample_patches())
    left, right, bottom, top = axes.images[1].get_extent()
    assert (left, right, top, bottom) == (-0.5, 95.5, -0.5, 47.5)
    squares = [(p.get_x(), p.get_y(), p.get_width()) for p in axes.patches]
    assert squares == [(-0.5, -0.5, 16), (19.5, 9.5, 16), (29.5, -4.5, 16)]


def test_masked_cells_and_an_empty_selection_are_drawn() -> None:
    window = sample_window()
    scores = ScoreMap(np.full((3, 4), -np.inf, np.float32), (16.0, 24.0), (7.5, 11.5))
    none = Selection(
        np.empty(0, np.int64), np.empty((0, 2)), np.empty(0, np.float32), np.empty(0, np.float32)
    )
    empty = Patches(np.empty((0, 1, 16, 16), np.float32), ("image",), np.empty((0, 2), np.int64), none)
    plots.plot_attention(window.planes["image"], scores, empty)
    assert len(plots.plot_patches(empty).axes) == 8
    assert len(plots.plot_patches(sample_patches(), columns=2).axes) == 4


def test_tracks_and_light_curves_have_the_values_of_the_table() -> None:
    found = sample_detections()
    axes = plots.plot_tracks(found, shape=(60, 80))
    assert axes.lines[0].get_xdata().tolist() == found.track(0)["x"].tolist()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["meteor", "static"]
    track = {
        "frame": [3, 4, 5],
        "flux": [1.0, 5.0, 2.0],
        "time": [10.0, 10.5, 11.0],
        "n_saturated": [0, 1, 0],
    }
    curve = plots.plot_light_curve(track)
    assert curve.lines[0].get_xdata().tolist() == [0, 0.5, 1]
    assert curve.lines[2].get_ydata().tolist() == [5]
    by_magnitude = plots.plot_light_curve({**track, "magnitude": [2.0, 0.0, 1.0]}, seconds=False)
    assert by_magnitude.yaxis_inverted()
    assert by_magnitude.lines[0].get_xdata().tolist() == [3, 4, 5]


def test_curves_leave_out_what_is_not_known() -> None:
    nothing, some = Rate(0, 0), Rate(3, 4)
    curve = plots.Curve(np.array([0.0, 0.5, 0.9]), (some, some, nothing), (some, nothing, nothing))
    axes = plots.plot_operating_curve(curve, threshold=0.6)
    assert [len(line.get_xdata()) for line in axes.lines[:2]] == [2, 1]
    bins = SimpleNamespace(recall_where=lambda by, low, high: some if low == 10 else nothing)
    points = plots.plot_completeness(bins)  # type: ignore[arg-type]
    assert [text.get_text() for text in points.texts] == ["4"]


def test_a_figure_is_written_in_one_step(tmp_path: Path) -> None:
    axes = plots.plot_image(np.zeros((8, 9)))
    assert plots.save(axes, tmp_path / "a.svg").read_text().startswith("<?xml")
    with pytest.raises(AstrodetectError, match="ending says no format"):
        plots.save(axes, tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a.svg"]
