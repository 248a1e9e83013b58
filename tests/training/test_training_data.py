"""Synthetic data sets: exact recipes, the same images for the same seed, no digit in two splits."""

import gzip

import numpy as np
import pytest

from astrodetect.core.errors import AstrodetectError
from astrodetect.training.config import read_training
from astrodetect.training.data.glyphs import drawn_digits
from astrodetect.training.data.idx import mnist_folder, read_idx, read_mnist
from astrodetect.training.data.megapixel import MegapixelMnist, stroke_patterns
from astrodetect.training.data.needle import NeedleMnist
from astrodetect.training.data.scenes import place_apart

SMALL = {"digits": "drawn", "train": 300, "validation": 40, "test": 40}
NEEDLE = {**SMALL, "shape": (300, 400), "distractors": 5}


def counts(split):
    return np.diff(split.images.starts)


def test_the_number_of_digits_says_nothing_where_counts_are_matched():
    split = NeedleMnist(**NEEDLE).split("train")
    n = counts(split)
    assert set(n[split.targets == 0]) == set(n[split.targets == 1]) == {6, 7}
    share = [np.mean(n[split.targets == label] == 6) for label in (0, 1)]
    assert abs(share[0] - share[1]) < 0.15


def test_the_number_of_digits_tells_all_in_the_form_of_the_thesis():
    split = NeedleMnist(**NEEDLE, count_matched=False).split("train")
    assert ((counts(split) > 5) == (split.targets == 1)).all()


def test_targets_are_in_positive_images_only():
    split = NeedleMnist(**NEEDLE).split("train")
    labels = drawn_digits(4000, seed=0).labels
    for number in range(len(split)):
        own = labels[split.images.pieces[split.images.starts[number] : split.images.starts[number + 1]]]
        assert (3 in own) == bool(split.targets[number])


def test_digits_do_not_cover_each_other():
    split = NeedleMnist(**NEEDLE).split("train")
    for number in range(50):
        corners = split.boxes_yx(number)
        apart = np.abs(corners[:, None] - corners).max(axis=-1)
        assert apart[~np.eye(len(corners), dtype=bool)].min() >= 28


def test_an_image_is_what_was_pasted_and_zero_elsewhere():
    split = NeedleMnist(**NEEDLE).split("test")
    image = split.image(0)
    assert image.shape == (1, 300, 400)
    assert image.dtype == np.uint8
    seen = np.zeros((300, 400), bool)
    for y, x in split.boxes_yx(0):
        seen[y : y + 28, x : x + 28] = True
    assert not image[0][~seen].any()
    assert image.sum() == split.images.bank[split.images.pieces[: split.images.starts[1]]].sum()


@pytest.mark.parametrize("recipe", [NeedleMnist(**NEEDLE), MegapixelMnist(**SMALL, shape=(300, 300))])
def test_the_same_seed_gives_the_same_images_and_splits_differ(recipe):
    first, again = recipe.split("train"), recipe.split("train")
    assert np.array_equal(first.image(7), again.image(7))
    assert not np.array_equal(first.image(7), recipe.split("test").image(7))


def test_megapixel_labels_follow_from_the_digits():
    labels = drawn_digits(4000, seed=0).labels
    splits = {
        task: MegapixelMnist(**SMALL, task=task).split("train")
        for task in ("majority", "max", "top", "multi")
    }
    scenes = splits["top"].images
    for number in range(40):
        pastes = slice(scenes.starts[number], scenes.starts[number] + 5)  # digits first, noise over them
        own = labels[scenes.pieces[pastes]]
        values, repeats = np.unique(own, return_counts=True)
        assert repeats.max() == 3
        assert splits["majority"].targets[number] == values[repeats.argmax()]
        assert splits["max"].targets[number] == own.max()
        assert splits["top"].targets[number] == own[scenes.corners_yx[pastes, 0].argmin()]
        assert set(np.flatnonzero(splits["multi"].targets[number])) == set(own)


@pytest.mark.parametrize("noise", ["over", "under"])
def test_noise_covers_digits_or_digits_noise(noise):
    split = MegapixelMnist(**SMALL, noise=noise).split("train")
    first = split.images.pieces[: split.images.starts[1]]
    is_noise = first >= 4000
    assert is_noise.sum() == 50
    assert is_noise[-1] == (noise == "over")


def test_strokes_are_thin_and_bright():
    patterns = stroke_patterns(50, np.random.default_rng(0))
    lit = patterns[patterns > 0]
    assert lit.min() >= 204
    assert 0.02 < (patterns > 0).mean() < 0.12


def test_a_sky_is_added_to_every_pixel_with_the_noise_asked_for():
    plain = NeedleMnist(**NEEDLE)
    sky = NeedleMnist(**NEEDLE, sky_level=60, sky_gradient=20, sky_noise=8)
    added = sky.split("test").image(3)[0].astype(float) - plain.split("test").image(3)[0]
    dark = added[plain.split("test").image(3)[0] == 0]
    steps = np.diff(added, axis=1)[:, :][np.abs(np.diff(added, axis=1)) < 60]
    assert abs(dark.mean() - 60) < 3
    assert abs(steps.std() / np.sqrt(2) - 8) < 0.5
    assert sky.split("test").boxes_yx(3) is None


def test_digits_that_do_not_fit_are_refused():
    with pytest.raises(AstrodetectError, match="do not fit"):
        NeedleMnist(**{**NEEDLE, "shape": (60, 60), "distractors": 10}).split("train")
    with pytest.raises(ValueError, match="smaller than a digit"):
        place_apart(np.random.default_rng(0), 1, (20, 100), 28)


def test_idx_files_are_read_compressed_or_not(tmp_path):
    images = np.arange(2 * 28 * 28, dtype=np.int64).astype(np.uint8).reshape(2, 28, 28)
    header = bytes([0, 0, 8, 3]) + np.array([2, 28, 28], ">u4").tobytes()
    (tmp_path / "train-images-idx3-ubyte").write_bytes(header + images.tobytes())
    labels = bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 3])
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    digits = read_mnist(tmp_path, "train")
    assert np.array_equal(digits.images, images)
    assert digits.labels.tolist() == [7, 3]


@pytest.mark.parametrize("content", [b"", b"GIF89a", bytes([0, 0, 8, 1, 0, 0, 0, 9, 1]), b"\x1f\x8bxx"])
def test_damaged_idx_files_are_told(tmp_path, content):
    path = tmp_path / "labels"
    path.write_bytes(content)
    with pytest.raises(AstrodetectError, match="labels: "):
        read_idx(path)


def test_missing_mnist_is_told(tmp_path, monkeypatch):
    monkeypatch.delenv("ASTRODETECT_DATA", raising=False)
    with pytest.raises(AstrodetectError, match="ASTRODETECT_DATA"):
        mnist_folder(None)
    with pytest.raises(AstrodetectError, match="train-images-idx3-ubyte is missing"):
        read_mnist(tmp_path, "train")


def test_a_table_of_one_class_is_refused(tmp_path):
    (tmp_path / "labels.csv").write_text("path,label\n" + "".join(f"{i}.npy,no\n" for i in range(9)))
    (tmp_path / "t.toml").write_text('[data]\nuse = "images"\ntable = "labels.csv"\n[train]\nout = "run"\n')
    with pytest.raises(AstrodetectError, match="only the class no"):
        read_training(tmp_path / "t.toml")
