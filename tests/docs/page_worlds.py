"""What a page of the documentation takes for granted: the reader's own recordings and files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from documents import ROOT
from PIL import Image

from astrodetect import pipelines

SMALL = ("--frames", "66", "--shape", "160x240")


def astrodetect(*arguments: str, cwd: Path) -> None:
    """Run the command line; what it says is shown where it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "astrodetect", *arguments],
        cwd=cwd, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(arguments)}\n{done.stdout}{done.stderr}"


def real_data() -> Path:
    """Give the folder of real recordings, or skip."""
    folder = os.environ.get("ASTRODETECT_DATA")
    if not folder:
        pytest.skip("ASTRODETECT_DATA is not set: the page is about real recordings")
    return Path(folder)


def nothing(folder: Path) -> None:
    """Begin in an empty folder."""


def archive(folder: Path) -> None:
    """Two recordings in the folders of two months."""
    for month in ("01", "02"):
        astrodetect(
            "simulate", f"archive/2024/{month}", "--recordings", "1", "--seed", month, *SMALL, cwd=folder
        )


def night(folder: Path) -> None:
    """A night that has been searched."""
    astrodetect("simulate", "night", "--recordings", "2", *SMALL, cwd=folder)
    astrodetect("run", "--pipeline", "meteor", "night", "--out", "night.h5", "--quiet", cwd=folder)


def catalogs(folder: Path) -> None:
    """The catalogs of a night and of two months, and a review."""
    night(folder)
    for month, seed in (("january", "1"), ("february", "2")):
        astrodetect("simulate", month, "--recordings", "1", "--seed", seed, *SMALL, cwd=folder)
        astrodetect("run", "--pipeline", "meteor", month, "--out", f"{month}.h5", "--quiet", cwd=folder)
    from astrodetect import Catalog

    with Catalog(folder / "night.h5") as catalog:
        number = int(catalog.detections["detection_id"][0])
    (folder / "night-review.csv").write_text(f"detection_id,verdict,label\n{number},reject,\n")


def files_of_networks(folder: Path) -> None:
    """A real night with positions, in our catalog and in the files of others."""
    data = real_data()
    found = data / "rms" / "UK0006_20230421"
    astrodetect("run", "--pipeline", "meteor", str(found), "--out", "night.h5", "--quiet", cwd=folder)
    (detected,) = found.glob("FTPdetectinfo_*.txt")
    for name in ("FTPdetectinfo_UK0006_20230421.txt", "FTPdetectinfo_UK0006_20230421_194826_180103.txt"):
        shutil.copy(detected, folder / name)
    (folder / "ftp").mkdir()
    for path in sorted((data / "ftp").glob("*20230112*.txt"))[:3]:
        shutil.copy(path, folder / "ftp")
    shutil.copy(next((data / "ftp").glob("*UK0006_20230112*")), folder / "FTPdetectinfo_UK0006_20230112.txt")
    (other,) = (data / "rms").rglob("*.ecsv")
    for name in (other.name, "2023-01-13T02_14_51_FRIPON_GBWL01.ecsv"):
        shutil.copy(other, folder / name)


def files_to_lint(folder: Path) -> None:
    """Files without a fault: the page is about what is told of them, not about them."""
    files_of_networks(folder)
    astrodetect("catalog", "export", "night.h5", "night", "--format", "gfe", cwd=folder)
    (seen,) = (folder / "night").glob("2023-04-21T21_22_32_*.ecsv")
    shutil.copy(seen, folder / "2023-04-21T21_22_32_RMS_UK0006.ecsv")


def stars(folder: Path) -> None:
    """Frames of an all-sky camera, FF files, and a star catalogue."""
    data = real_data()
    (folder / "night").mkdir()
    for path in (data / "allsky").glob("magic_images*.fits"):
        shutil.copy(path, folder / "night")
    shutil.copy(data / "allsky" / "hipparcos.fits.gz", folder)
    (folder / "FF_files").mkdir()
    for path in sorted((data / "rms" / "UK0006_20230421").glob("FF_*.fits"))[:4]:
        shutil.copy(path, folder / "FF_files")


def platepar(folder: Path) -> None:
    """The platepar of a camera."""
    shutil.copy(real_data() / "calibration" / "UK0006.json", folder / "platepar_cmn2010.cal")


def training(folder: Path) -> None:
    """Two dozen small images with labels, a training file, and two models of it."""
    rng = np.random.default_rng(1)
    rows = ["path,label,group"]
    for number in range(42):
        image = rng.normal(100, 5, (64, 64)).clip(0, 255).astype(np.uint8)
        label = "meteor" if number % 2 else "nothing"
        if number % 2:
            np.fill_diagonal(image[8:40, 8:40], 250)
        Image.fromarray(image).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{label},event{number // 3}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    text = (
        '[data]\nuse = "images"\ntable = "labels.csv"\n[model]\nmethod = "ats"\nwhite = 255.0\nk = 2\n'
        "patch = [32, 32]\nfeature_channels = [4]\nfeature_shrink = [1]\n"
        '[train]\nout = "run"\nepochs = 1\n'
    )
    (folder / "training.toml").write_text(text)
    (folder / "labels.toml").write_text(text)
    astrodetect("train", "training.toml", "--quiet", cwd=folder)
    for name in ("run-1", "run-2"):
        shutil.copytree(folder / "run", folder / name)


def training_page(folder: Path) -> None:
    """The example of the repository, with a few images, and a training of one's own."""
    (folder / "examples" / "learned").mkdir(parents=True)
    example = (ROOT / "examples" / "learned" / "digits.toml").read_text(encoding="utf-8")
    for many, few in (("train = 1200", "train = 64"), ("validation = 200", "validation = 32"),
                      ("test = 400", "test = 32"), ("epochs = 10", "epochs = 1")):  # fmt: skip
        assert many in example
        example = example.replace(many, few)
    (folder / "examples" / "learned" / "digits.toml").write_text(example, encoding="utf-8")
    training(folder)


def meteor_models(folder: Path) -> None:
    """An archive with labels of recordings."""
    astrodetect("simulate", "archive", "--recordings", "8", "--seed", "3", *SMALL, cwd=folder)
    (folder / "archive" / "truth.csv").rename(folder / "labels.csv")
    night(folder)
    pipeline = tomllib.loads(pipelines.text("meteor") or "")
    pipeline["classify"] = {"use": "fcn-mil-classifier", "weights": "own/run/model.safetensors"}
    (folder / "own.toml").write_text(tomli_w.dumps(pipeline))


def fields(folder: Path) -> None:
    """A catalog of sources, and their truth as COCO."""
    astrodetect("simulate", "map", "--scene", "radio", "--recordings", "2", cwd=folder)
    text = (
        '[[preprocess]]\nuse = "background"\n[detect]\nuse = "segmentation"\n[accept]\nlabels = ["source"]\n'
    )
    (folder / "map.toml").write_text(text)
    astrodetect("run", "--pipeline", "map.toml", "map", "--out", "map.h5", "--quiet", cwd=folder)
    astrodetect("catalog", "export", "map.h5", "coco.json", "--format", "coco", cwd=folder)


Prepare = Callable[[Path], None]
#: Pages that are followed, in order, each in a folder of its own.
WORLDS: dict[str, Prepare] = {
    "tutorials/archive.md": nothing,
    "tutorials/galaxies.md": nothing,
    "tutorials/own-station.md": nothing,
    "tutorials/rms-night.md": nothing,
    "tutorials/review.md": nothing,
    "plots.md": nothing,
    "notebooks.md": nothing,
    "api.md": archive,
    "calibrating.md": stars,
    "calibration.md": platepar,
    "catalog.md": catalogs,
    "events.md": files_of_networks,
    "exchange.md": files_of_networks,
    "fields.md": fields,
    "learned-training.md": training_page,
    "lint.md": files_to_lint,
    "meteor-models.md": meteor_models,
    "operations.md": archive,
    "plugins/hooks.md": nothing,
    "plugins/stability.md": nothing,
    "injection.md": nothing,
    "simulation.md": nothing,
    "source-detection.md": nothing,
}
