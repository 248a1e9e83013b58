"""How well detectors find and measure sources in radio fields like those of the first SKA challenge.

Three noise levels and two densities, fields of unseen seeds, and one field in which half of the sources are
blended. photutils' segmentation with deblending and sep are tuned for each setting, by a search on fields of
other seeds; pipelines given by file or name are run as they are. Every detector then gets, on the same
tuning fields, the cut in its ranking that scores best, and factors for flux and axes that take its bias away.

    python benchmarks/fields.py [--size 4096] [--pipeline galaxy] [--crowded other.toml] [--json out.json]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect import Pipeline
from astrodetect import pipelines as built_in
from astrodetect.evaluation.sources import ClassResult, How, Match, Sources, evaluate_sources, score_sources
from astrodetect.evaluation.sources.curves import FALSE, HIT, assign
from astrodetect.evaluation.sources.pairs import pairs_of
from astrodetect.evaluation.sources.score import nearest
from astrodetect.simulation.fields.field import Field
from astrodetect.simulation.fields.radio import RadioScene
from astrodetect.simulation.fields.writing import write_fits

#: Noise (Jy per beam): that of 1000 h at 560 MHz, and twice and four times as much.
NOISES = (2.55e-7, 5.1e-7, 1.02e-6)
#: Sources per 256 x 256 pixels above 1.65 microjansky: that of the challenge, and twice as many.
DENSITIES = (70.0, 140.0)
#: Fields to tune on, and fields that are judged; what is trained draws its fields from other numbers.
TUNING, UNSEEN = 71_000, 72_000
#: Beam of the fields: axes (px) and angle, as `fit_beam` takes it.
BEAM = (2.5, 2.5, 0.0)
#: Purity at which completeness is given.
PURITY = 0.93
#: Settings of the classical detectors: what the search tries, one setting after the other. It begins with the
#: best that sep had, and with the first values here.
SEARCH: dict[str, dict[str, tuple[object, ...]]] = {
    "sep": {
        "threshold": (2.0, 0.6, 0.8, 1.0, 1.3, 1.6, 2.5, 3.0), "fwhm": (1.0, 1.5, 2.0, 2.5, 3.0),
        "n_pixels": (5, 1, 3, 8), "contrast": (0.0005, 0.0001, 0.005, 0.05), "levels": (32, 64),
        "flux": ("isophotal", "kron"), "clean": (True, False), "box": (64, 32, 0),
    },
    "segmentation": {
        "threshold": (2.0, 1.0, 1.3, 1.6, 2.5), "fwhm": (1.0, 2.0), "n_pixels": (5, 3, 8),
        "contrast": (0.0005, 0.0001, 0.005), "flux": ("isophotal", "kron"), "box": (64, 32, 0),
    },
}  # fmt: skip
#: Detectors as users have them, and what is the same with the fit of all sources at its end.
CLASSICAL, FITTED = ("sep", "segmentation"), {"sep-fitted": "sep"}
SEARCH["sep-fitted"] = {key: values for key, values in SEARCH["sep"].items() if key not in {"flux", "levels"}}
#: Times that the search goes through all settings; photutils and the fit are slow.
ROUNDS = {"sep": 2, "segmentation": 1, "sep-fitted": 1}


@dataclass
class Tuned:
    """A detector as it is judged: pipeline, cut in its ranking, factors for flux and axes."""

    name: str
    text: str
    chosen: dict[str, object] = field(default_factory=dict)
    cut: float = -np.inf
    factors: dict[str, float] = field(default_factory=lambda: {"flux": 1.0, "major": 1.0, "minor": 1.0})

    def apply(self, found: Sources) -> Sources:
        """Give detections with the factors, and accepted as the cut says."""
        columns = dict(found.columns)
        for name, factor in self.factors.items():
            columns[name] = columns[name] * factor
        columns["accepted"] = ranking(found) >= self.cut
        return Sources(columns)


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=4096, help="side of the fields that are judged")
    parser.add_argument("--tuning-size", type=int, default=768, help="side of the fields to tune on")
    parser.add_argument("--pipeline", action="append", default=[], help="TOML file or name; several times")
    parser.add_argument(
        "--crowded", action="append", default=[], help="pipelines for the crowded field alone"
    )
    parser.add_argument("--classical", default="segmentation,sep", help="those to tune; also sep-fitted")
    parser.add_argument("--settings", default="0,1,2,3,4,5", help="which of the six settings")
    parser.add_argument("--no-crowded", action="store_true", help="leave the crowded field out")
    parser.add_argument("--sliding", type=float, default=60.0, help="seconds of its training; 0: none")
    parser.add_argument("--seed", type=int, default=0, help="other fields to tune on and to judge")
    parser.add_argument("--tuned", type=Path, help="JSON of an earlier run, for classical settings")
    parser.add_argument("--json", type=Path, help="write all figures to a file, too")
    arguments = parser.parse_args()
    classical = [name for name in arguments.classical.split(",") if name]
    rows: list[dict[str, object]] = []
    known = json.loads(arguments.tuned.read_text(encoding="utf-8")) if arguments.tuned else []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), arguments.size, arguments.tuning_size, arguments.seed, known)
        print(HEAD)
        scenes = [RadioScene(noise=noise, density=density) for noise in NOISES for density in DENSITIES]
        for number in map(int, filter(None, arguments.settings.split(","))):
            rows += bench.compare(scenes[number], number, classical, arguments.pipeline)
            print_margin(rows, number)
        if not arguments.no_crowded:
            pipelines = [*arguments.pipeline, *arguments.crowded]
            rows += bench.crowded(classical, pipelines, arguments.sliding)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


HEAD = (
    "noise     density  detector          sources  score/source  completeness@0.93  completeness  purity  "
    "quality  seconds"
)


@dataclass
class Bench:
    """The fields, and the detectors on them."""

    folder: Path
    size: int
    tuning_size: int
    seed: int
    known: list[dict[str, Any]] = field(default_factory=list)

    def compare(
        self, scene: RadioScene, number: int, classical: list[str], pipelines: list[str]
    ) -> list[dict[str, object]]:
        """Tune and judge all detectors for one setting."""
        practice = self.field(scene, self.tuning_size, TUNING + number)
        judged = self.field(scene, self.size, UNSEEN + number)
        rows = []
        for tuned in self.detectors(practice, classical, pipelines, number):
            row = self.judge(tuned, judged)
            row |= {"setting": number, "noise": scene.noise, "density": scene.density}
            print(line(row), flush=True)
            rows.append(row)
        return rows

    def detectors(
        self, practice: tuple[Path, Sources], classical: list[str], pipelines: list[str], setting: object
    ) -> Iterator[Tuned]:
        """Give the detectors, tuned on a field, or as they were tuned for this setting before."""
        found = {row["detector"]: row for row in self.known if row["setting"] == setting}
        start: dict[str, object] = {}
        for name in sorted(classical, key=list(ROUNDS).index):  # sep comes first, and says where to begin
            if name in found:
                old = found[name]
                text = pipeline_text(name, old["chosen"])
                tuned = Tuned(name, text, old["chosen"], old["cut"], old["factors"])
            else:
                tuned = search(name, lambda text: detect(text, practice[0])[0], practice[1], start)
            start = start or tuned.chosen
            yield tuned
        for name in pipelines:
            text = built_in.text(name) or Path(name).read_text(encoding="utf-8")
            yield settle(Tuned(Path(name).stem, text), detect(text, practice[0])[0], practice[1])[0]

    def field(self, scene: RadioScene, size: int, number: int) -> tuple[Path, Sources]:
        """Make a field; give its file and its truth."""
        path = self.folder / f"{size}-{number}.fits"
        made: Field = replace(scene, shape=(size, size)).make(np.random.default_rng([number, self.seed]))
        write_fits(path, made)
        return path, Sources.of(made.sources)

    def judge(self, tuned: Tuned, judged: tuple[Path, Sources]) -> dict[str, object]:
        """Run a detector on a field of its own and compare with the truth."""
        found, seconds = detect(tuned.text, judged[0])
        found = tuned.apply(found)
        made, near = compare(found, judged[1], "shape"), compare(found, judged[1], "distance")
        score = made.score
        assert score is not None
        return {
            "detector": tuned.name, "size": self.size, "seed": self.seed,
            "sources": made.n_true, "score": score.per_source,
            "completeness_at_purity": made.completeness_at_purity, "completeness": made.completeness.value,
            "purity": made.purity.value, "quality": score.quality / max(score.n_match, 1),
            "parts": score.to_dict()["parts"], "seconds": seconds, "chosen": tuned.chosen, "cut": tuned.cut,
            "factors": tuned.factors,
            "near": {
                "completeness_at_purity": near.completeness_at_purity, "purity": near.purity.value,
                "completeness": near.completeness.value, "blended": near.blended.value,
            },
        }  # fmt: skip

    def crowded(self, classical: list[str], pipelines: list[str], sliding: float) -> list[dict[str, object]]:
        """Judge all detectors where half of the sources are blended: another one's ellipse of twice the
        full width at half maximum touches theirs. A detection is right within 3 pixels of a source, and each
        detector has the cut that gives a purity of 0.93 on the tuning field."""
        density = density_of_blending(0.5)
        scene = RadioScene(density=density)
        practice = self.field(scene, min(self.tuning_size, 512), TUNING + 99)
        judged = self.field(scene, min(self.size, 1024), UNSEEN + 99)
        share = float(judged[1]["blended"][~judged[1]["difficult"]].mean())
        print(f"\ncrowded field: density {density:.0f}, {share:.1%} of the sources blended; within 3 pixels")
        print("detector          completeness@0.93  completeness  of blended  purity  seconds")
        rows = []
        detectors = self.detectors(practice, classical, pipelines, "crowded")
        for tuned in chain(detectors, [self.sliding(scene, practice, sliding)] if sliding else []):
            tuned.cut = cut_at_purity(detect(tuned.text, practice[0])[0], practice[1])
            row = self.judge(tuned, judged) | {"setting": "crowded", "noise": scene.noise, "density": density}
            near: Any = row["near"]
            print(
                f"{tuned.name:16}  {near['completeness_at_purity']:17.3f}  {near['completeness']:12.3f}  "
                f"{near['blended']:10.3f}  {near['purity']:6.3f}  {row['seconds']:7.1f}", flush=True,
            )  # fmt: skip
            rows.append(row)
        return rows

    def sliding(self, scene: RadioScene, practice: tuple[Path, Sources], seconds: float) -> Tuned:
        """Train a patch classifier for the sliding window, and tune how far its windows may overlap."""
        import patch_classifier

        weights = self.folder / "patches.safetensors"
        patch_classifier.train(replace(scene, shape=(256, 256)), weights, seconds)
        tried = []
        for limit in (0.15, 0.2, 0.25, 0.3, 0.35, 0.4):
            text = patch_classifier.pipeline_text(weights, scene.noise, limit)
            near = compare(detect(text, practice[0])[0], practice[1], "distance")
            tried.append((near.completeness_at_purity, limit, text))
        _, limit, text = max(tried)
        return Tuned("sliding-window", text, {"limit": limit, "trained_seconds": seconds})


def compare(found: Sources, true: Sources, match: Match) -> ClassResult:
    """Compare detections of one field with its truth, whatever the labels are."""
    how = How(match, any_label=True, purity=PURITY)
    return evaluate_sources({"": found}, {"": true}, how).classes[0]


def cut_at_purity(found: Sources, true: Sources) -> float:
    """Find the lowest cut in the ranking above which detections have the purity wanted."""
    order = np.argsort(-ranking(found), kind="stable")
    ranks = ranking(found)[order]
    outcome, _ = assign(pairs_of(found, true, "distance", 3.0), order, true["difficult"])
    hits, wrong = (np.cumsum(outcome[order] == what) for what in (HIT, FALSE))
    good = np.flatnonzero(hits >= PURITY * (hits + wrong))
    return float(ranks[good[-1]]) if len(good) else np.inf


def detect(text: str, path: Path) -> tuple[Sources, float]:
    """Run a pipeline on one image; give what it found, and the seconds that it took."""
    pipeline = Pipeline.from_toml(text)
    start = time.perf_counter()
    found = pipeline.run(path)
    seconds = time.perf_counter() - start
    return Sources.of({name: np.asarray(values) for name, values in found.columns.items()}), seconds


def ranking(found: Sources) -> np.ndarray:
    """Give one number by which detections are ranked: signal-to-noise, else the score or the probability."""
    for name in ("snr", "order", "rank"):
        if found.has(name):
            return np.nan_to_num(found[name], nan=-np.inf)
    return np.zeros(len(found))


def search(
    name: str, run: Callable[[str], Sources], true: Sources, start: dict[str, object] | None = None
) -> Tuned:
    """Tune a classical detector: each setting in turn, with the others as they are."""

    def tried(chosen: dict[str, object]) -> tuple[Tuned, float]:
        text = pipeline_text(name, chosen)
        return settle(Tuned(name, text, chosen), run(text), true)

    values = SEARCH[name]
    best, value = tried({key: (start or {}).get(key, several[0]) for key, several in values.items()})
    for key, several in [*values.items()] * ROUNDS[name]:
        for setting in several:
            if best.chosen[key] != setting:
                made, score = tried({**best.chosen, key: setting})
                if score > value:
                    best, value = made, score
    return best


def pipeline_text(name: str, chosen: dict[str, object]) -> str:
    """Give the pipeline of a classical detector with some settings."""
    settings = "\n".join(f"{key} = {json.dumps(value)}" for key, value in chosen.items() if key != "box")
    if name in FITTED:
        settings += f"\nfit_beam = {list(BEAM)}"
    return (
        f'[[preprocess]]\nuse = "background"\nbox = {chosen["box"]}\nborder = "keep"\n'
        f'[detect]\nuse = "{FITTED.get(name, name)}"\n{settings}\n[accept]\nlabels = ["source"]\n'
    )


def settle(tuned: Tuned, found: Sources, true: Sources) -> tuple[Tuned, float]:
    """Give a detector its factors and its cut on a field; and its score for each source there."""
    matched = nearest(pairs_of(found, true, "shape", 5.0))
    for name in tuned.factors:
        measured = found[name][matched.found]
        known = measured > 0
        if known.any():
            tuned.factors[name] = float(np.median(true[name][matched.true][known] / measured[known]))
    ranks = ranking(found)
    best, value = -np.inf, -np.inf
    for cut in [-np.inf, *np.quantile(ranks, np.linspace(0.02, 0.9, 45))] if len(ranks) else [-np.inf]:
        tuned.cut = float(cut)
        applied = tuned.apply(found)
        score = score_sources(applied.take(applied["accepted"]), true).per_source
        if score > value:
            best, value = float(cut), score
    tuned.cut = best
    return tuned, value


def density_of_blending(share: float) -> float:
    """Find the density at which a share of the sources is blended."""
    low, high = 20.0, 2000.0
    while high / low > 1.01:
        middle = float(np.sqrt(low * high))
        made = RadioScene(shape=(1024, 1024), density=middle).make(np.random.default_rng(TUNING))
        blended = made.sources["blended"][~made.sources["difficult"]].mean()
        low, high = (middle, high) if blended < share else (low, middle)
    return float(np.sqrt(low * high))


def line(row: dict[str, object]) -> str:
    """Give a row of the table."""
    return (
        f"{row['noise']:.2e}  {row['density']:7.0f}  {row['detector']:16}  {row['sources']:7d}  "
        f"{row['score']:12.3f}  {row['completeness_at_purity']:17.3f}  {row['completeness']:12.3f}  "
        f"{row['purity']:6.3f}  {row['quality']:7.3f}  {row['seconds']:7.1f}"
    )


def print_margin(rows: list[dict[str, object]], setting: int) -> None:
    """Say how far each pipeline is above the best classical detector."""
    own = {str(row["detector"]): float(str(row["score"])) for row in rows if row["setting"] == setting}
    known = [own[name] for name in CLASSICAL if name in own]
    for name, score in own.items():
        if name not in CLASSICAL and known:
            print(f"{'':19}{name}: {score - max(known):+.3f} to the best classical")


if __name__ == "__main__":
    main()
