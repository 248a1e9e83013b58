"""Fit the probability of the streak classifier on simulated recordings.

Makes recordings of many cameras (sizes, frame rates, noise, seeing; raw, compressed by usual codecs,
and reduced to FF planes), runs the search on them, names the candidates by the truth, fits the model on
most of the recordings and checks it on the rest: confusion, and reliability of the probabilities.

    python benchmarks/fit_streak.py --recordings 180 --out streak-v1.json

Everything follows from ``--seed``. The settings are printed and kept in the file.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect.core.data import Recording, Stream, Window
from astrodetect.core.detections import Detections
from astrodetect.core.tables import WindowSettings
from astrodetect.methods.candidates import Search
from astrodetect.methods.features import NAMES, View, feature_vector
from astrodetect.methods.labels import numbers_of, to_detections
from astrodetect.methods.link import joined_vector, merge
from astrodetect.methods.look import look_at
from astrodetect.methods.pieces import Rules, groups, pieces_of
from astrodetect.methods.probability import ClassModel, calibrated, fit_model
from astrodetect.methods.reduction import reduce_window
from astrodetect.methods.search import find_candidates
from astrodetect.plugins.scorers.peak_snr import PeakSnr
from astrodetect.plugins.selectors.top_k import TopK
from astrodetect.simulation.distractors import DISTRACTORS
from astrodetect.simulation.meteors import MeteorSpec
from astrodetect.simulation.night import RecordingSpec, simulate_recording
from astrodetect.simulation.settings import SKIES, Settings

#: Label of the model by label of the truth.
CLASSES = {
    "meteor": "meteor", "aircraft": "slow", "satellite": "slow", "insect": "insect", "bird": "insect",
    "lightning": "flash", "flash": "flash", "static": "static", "noise": "noise", "cloud": "noise",
}  # fmt: skip
PATCH = (64, 64)
CODECS = (
    ("libx264", {"crf": "18", "preset": "veryfast", "g": "50"}),
    ("libx264", {"crf": "24", "preset": "veryfast"}),
    ("mpeg4", {"qscale": "4"}),
    ("mjpeg", {}),
)


@dataclass
class Row:
    """A candidate: its numbers, what it is, and where it comes from."""

    features: Any
    label: str
    recording: int
    snr: float


def uniform_model() -> ClassModel:
    """Give a model that knows nothing, to run the search with."""
    n = len(NAMES)
    return ClassModel(
        ("noise", "meteor"), NAMES, np.zeros(n), np.ones(n), np.zeros((n, 1)), np.zeros(1),
        np.zeros((n + 1, 2)), np.zeros(2),
    )  # fmt: skip


def plan(number: int, seed: int) -> tuple[RecordingSpec, np.random.Generator]:
    """Decide on camera, sky, meteors and distractors of one recording."""
    rng = np.random.default_rng([seed, number])
    shapes = ((480, 640), (400, 560), (540, 720), (600, 500))
    settings = Settings(
        shape=shapes[number % 4],
        frames=int(rng.choice([80, 100, 150, 200]) if number % 3 else rng.choice([200, 250])),
        frame_rate=float(rng.choice([15, 25, 25, 30, 30, 30, 60])),
        bits=int(rng.choice([8, 12, 12])),  # type: ignore[arg-type]
        fwhm=float(rng.uniform(1.7, 3.5)),
        duty=float(rng.choice([1.0, 1.0, 0.8])),
        scintillation=float(rng.uniform(0.05, 0.3)),
        stars=float(rng.uniform(200, 1200)),
        meteor_snr=(3.0, 300.0),
        # Some meteors are slow and last for seconds.
        meteor_seconds=(0.1, 1.5) if number % 3 else (0.8, 6.0),
    )
    distractors = tuple(str(name) for name in rng.permutation(list(DISTRACTORS))[:5])
    sky = SKIES[0] if number % 2 else SKIES[1 + (number // 2) % 3]
    meteors = tuple(MeteorSpec() for _ in range(int(rng.choice([0, 1, 1, 2, 3]))))
    return RecordingSpec(settings, sky, meteors, distractors), rng


def compressed(frames: Any, number: int) -> Any:
    """Give frames as a codec leaves them, 8 bits."""
    import av

    if frames.dtype != np.uint8:
        low, high = np.percentile(frames[:: len(frames) // 4 + 1], [0.1, 99.9])
        frames = np.clip((frames - low) / max((high - low) * 1.2, 60.0) * 255 + 4, 0, 255).astype(np.uint8)
    codec, options = CODECS[number % len(CODECS)]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as container:
        stream: Any = container.add_stream(codec, rate=25)
        stream.height, stream.width = frames.shape[1:]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.options = options
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="gray")
            container.mux(stream.encode(picture.reformat(format=stream.pix_fmt)))
        container.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer) as container:
        return np.stack([f.reformat(format="gray").to_ndarray() for f in container.decode(video=0)])


def frame_windows(frames: Any, name: str, frame_rate: float, saturation: float) -> list[Window]:
    """Give windows as the pipeline does."""
    n = len(frames)
    stream = Stream(frames.shape[1:], frames.dtype, n, frame_rate, 0.0, saturation=saturation)
    size, step = WindowSettings().frames(frame_rate)
    starts = [0] if n <= size else [*range(0, n - size, step), n - size]
    windows = []
    for start in starts:
        part = frames[start : start + size]
        planes = reduce_window(part, planes=("max", "argmax", "background", "image"))
        times = (start + np.arange(len(part))) / frame_rate
        windows.append(Window(Recording(name), stream, start, times, part, planes))
    return windows


def ff_window(frames: Any, name: str, frame_rate: float, rng: np.random.Generator) -> list[Window]:
    """Give the whole recording as the four planes of an FF file."""
    if frames.dtype != np.uint8:
        frames = np.clip(frames // 8, 0, 255).astype(np.uint8)
    highest = frames.max(axis=0)
    tied = frames == highest
    argmax = np.argmax(tied * rng.random(frames.shape, dtype=np.float32), axis=0).astype(np.uint8)
    low = np.sort(frames, axis=0)[:-4].astype(np.float32)
    mean, std = low.mean(axis=0).astype(np.uint8), np.maximum(low.std(axis=0), 1).astype(np.uint8)
    stream = Stream(frames.shape[1:], frames.dtype, len(frames), frame_rate, 0.0, saturation=255.0)
    planes = {"max": highest, "argmax": argmax, "background": mean, "mean": mean, "std": std}
    planes["image"] = highest.astype(np.float32) - mean
    return [Window(Recording(name), stream, 0, np.arange(len(frames)) / frame_rate, None, planes)]


def label_of(track: Any, scene: Any, moving: bool) -> tuple[str, float]:
    """Name a candidate by the object of the truth that it follows."""
    best, share, snr = "", 0.0, 0.0
    for row in scene.truth:
        points = {point.frame: point for point in scene.tracks[row.object]}
        reach = 6.0 + 0.5 * (row.speed if np.isfinite(row.speed) else 0.0)
        near = 0
        for frame, x, y in zip(track["frame"], track["x"], track["y"], strict=True):
            point = points.get(int(frame)) or points.get(int(frame) - 1) or points.get(int(frame) + 1)
            if point is not None and np.isfinite(point.x):
                wide = 40.0 if row.label in {"flash", "lightning"} else reach
                near += bool(np.hypot(point.x - x, point.y - y) <= wide)
        part = near / max(len(track["frame"]), 1)
        if part > share:
            best, share, snr = row.label, part, row.peak_snr
    if share >= 0.5:
        return CLASSES.get(best, "noise"), snr
    return ("noise" if moving else "static"), 0.0


def rows_of(windows: list[Window], scene: Any, number: int) -> list[Row]:
    """Run the search on windows and give their candidates, single and joined."""
    scorer, selector, nothing = PeakSnr(), TopK(k=32), uniform_model()
    found: list[Detections] = []
    rows: list[Row] = []
    rate, shape = windows[0].stream.frame_rate, windows[0].shape
    for window in windows:
        chosen = selector.select(scorer.score(window))
        corners = np.floor(chosen.centres_yx - (PATCH[0] - 1) / 2 + 0.5).astype(np.int64)
        view = View(rate, shape, window.n_frames - 1)
        candidates = find_candidates(
            window, corners, PATCH, list(chosen.scores), Search(), partial(look_at, window)
        )
        detections = to_detections(candidates, window, nothing)
        found.append(detections)
        for index, candidate in enumerate(candidates):
            track = detections.track(index)
            label, snr = label_of(track, scene, len(track["frame"]) > 1)
            numbers = numbers_of(candidate.points, view)
            vector = feature_vector(candidate.shape, numbers, candidate.peak_snr, view)
            rows.append(Row(vector, label, number, snr))
    whole = Detections.concatenate(found)
    if len(whole):
        for members in groups(pieces_of(whole), Rules(), rate):
            row, track = merge(whole, members, None)
            label, snr = label_of(track, scene, len(track["frame"]) > 1)
            vector = joined_vector(row, track, View(rate, shape, windows[0].stream.n_frames - 1))
            rows.append(Row(vector, label, number, snr))
    return rows


def recording_rows(number: int, seed: int) -> list[Row]:
    """Make one recording and give its candidates, as filmed and as one of the other forms."""
    spec, rng = plan(number, seed)
    scene = simulate_recording(spec, rng)
    frames = np.stack([frame.copy() for frame in scene.frames()])
    rate, name = spec.settings.frame_rate, f"fit-{seed}-{number}"
    form = number // 4 % 4
    if form < 2:
        windows = frame_windows(frames, name, rate, float(spec.settings.saturation))
    elif form == 2:
        windows = frame_windows(compressed(frames, number // 16), name, rate, 255.0)
    else:
        windows = ff_window(frames, name, rate, rng)
    return rows_of(windows, scene, number)


def check(model: ClassModel, rows: list[Row]) -> dict[str, Any]:
    """Print and give confusion and reliability on rows that were not fitted."""
    features, labels = np.stack([row.features for row in rows]), np.array([row.label for row in rows])
    chances = model.probabilities(features)
    said = np.array(model.classes)[chances.argmax(axis=1)]
    probability = chances.max(axis=1)
    print(f"\nheld out: {len(rows)} candidates; rows are the truth, columns the label")
    print(f"{'':8s}" + "".join(f"{name:>8s}" for name in model.classes))
    for name in model.classes:
        counts = [int(((labels == name) & (said == other)).sum()) for other in model.classes]
        print(f"{name:8s}" + "".join(f"{count:8d}" for count in counts))
    print("reliability: probability stated, share that was right, candidates")
    table, error = [], 0.0
    for low, high in zip(
        (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95), (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.01), strict=True
    ):
        chosen = (probability >= low) & (probability < high)
        if chosen.any():
            stated, right = float(probability[chosen].mean()), float((said == labels)[chosen].mean())
            table.append([round(stated, 3), round(right, 3), int(chosen.sum())])
            error += abs(stated - right) * float(chosen.mean())
            print(f"  {stated:.3f} {right:.3f} {int(chosen.sum()):6d}")
    print(f"expected calibration error {error:.4f}")
    return {"reliability": table, "expected_calibration_error": round(error, 4)}


def main() -> int:
    """Make recordings, fit, check, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--recordings", type=int, default=300)
    parser.add_argument("--first", type=int, default=0, help="number of the first recording")
    parser.add_argument("--seed", type=int, default=20240812)
    parser.add_argument("--jobs", type=int, default=2, help="processes that simulate and search")
    parser.add_argument("--hidden", type=int, default=16)
    parser.add_argument("--penalty", type=float, default=1e-3)
    parser.add_argument("--rows", type=Path, help="keep the candidates here (.npz), or take them from there")
    parser.add_argument("--out", type=Path, default=Path("streak-v1.json"))
    args = parser.parse_args()
    print("settings:", vars(args), flush=True)
    rows = read_rows(args.rows) if args.rows and args.rows.exists() else make_rows(args)
    command = f"python benchmarks/fit_streak.py --recordings {args.recordings} --seed {args.seed}"
    made_by = f"{command} --hidden {args.hidden} --penalty {args.penalty}"
    fit_and_check(rows, args.hidden, args.penalty, args.seed, args.out, made_by)
    return 0


def fit_and_check(rows: list[Row], hidden: int, penalty: float, seed: int, out: Path, made_by: str) -> None:
    """Fit on four fifths of the recordings, check on the rest, write the model."""
    held = {number for number in {row.recording for row in rows} if number % 5 == (number // 5) % 5}
    train, test = [r for r in rows if r.recording not in held], [r for r in rows if r.recording in held]
    labels = np.array([row.label for row in train])
    counts = {str(name): int((labels == name).sum()) for name in np.unique(labels)}
    print(counts)
    features, labels = varied(np.stack([row.features for row in train]), labels, seed)
    # Rare classes count more, but not as much as if all were equally frequent; a meteor that is lost
    # is worse than a false one.
    weight = {name: (len(train) / count) ** 0.5 for name, count in counts.items()}
    weight["meteor"] *= 2
    weights = np.array([weight[name] for name in labels])
    model = fit_model(features, labels, weights, hidden=hidden, penalty=penalty, seed=seed)
    # Half of the rest sets the scale of the probabilities, the other half checks them.
    halves = [[row for row in test if (row.recording // 25) % 2 == part] for part in (0, 1)]
    first = halves[0]
    model = calibrated(model, np.stack([r.features for r in first]), np.array([r.label for r in first]))
    result = check(model, halves[1])
    provenance = {
        "made_by": made_by, "date": date.today().isoformat(),
        "recordings": len({row.recording for row in rows}),
        "candidates": counts, "held_out": result,
    }  # fmt: skip
    out.write_text(ClassModel(**{**vars(model), "provenance": provenance}).to_json(), encoding="utf-8")
    print("written:", out)


#: By how much features are varied in fitting (standard deviation): what lenses, gains and codecs change.
VARIED = {
    "evidence": 0.15, "contrast": 0.12, "snr": 0.1, "area": 0.4, "common": 0.2, "rise": 0.08, "fall": 0.08,
    "steady": 0.08, "rough": 0.06, "bend": 0.08, "jitter": 0.08, "fill": 0.04,
}  # fmt: skip


def varied(features: Any, labels: Any, seed: int, copies: int = 1) -> tuple[Any, Any]:
    """Give candidates as other cameras might see them.

    The simulation knows one lens, and every camera is in focus. So that the model does not hold on to that,
    what depends on the camera is varied, and trails are widened.
    """
    rng = np.random.default_rng([seed, 7])
    parts = [features]
    index = {name: number for number, name in enumerate(NAMES)}
    for _ in range(copies):
        part = features.copy()
        for name, spread in VARIED.items():
            part[:, index[name]] += rng.normal(0, spread, len(part))
        wider = np.abs(rng.normal(0, 0.22, len(part)))
        part[:, index["width"]] += wider
        part[:, index["elongation"]] = np.maximum(part[:, index["elongation"]] - wider, 0.05)
        parts.append(part)
    return np.concatenate(parts), np.tile(labels, copies + 1)


def make_rows(args: argparse.Namespace) -> list[Row]:
    """Simulate and search, and keep the candidates."""
    rows: list[Row] = []
    begin = time.perf_counter()
    numbers = range(args.first, args.first + args.recordings)
    with ProcessPoolExecutor(args.jobs) as pool:
        for number, part in zip(numbers, pool.map(recording_rows, numbers, repeat(args.seed)), strict=True):
            rows.extend(part)
            if number % 20 == 0:
                print(f"{number}: {len(rows)} candidates, {time.perf_counter() - begin:.0f} s", flush=True)
    if args.rows:
        np.savez(
            args.rows, features=np.stack([r.features for r in rows]), label=np.array([r.label for r in rows]),
            recording=np.array([r.recording for r in rows]), snr=np.array([r.snr for r in rows]),
        )  # fmt: skip
    return rows


def read_rows(path: Path) -> list[Row]:
    """Read candidates that were kept."""
    with np.load(path) as kept:
        parts = (kept["features"], kept["label"], kept["recording"], kept["snr"])
        return [Row(f, str(name), int(n), float(s)) for f, name, n, s in zip(*parts, strict=True)]


if __name__ == "__main__":
    sys.exit(main())
