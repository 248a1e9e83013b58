"""From recordings and labels to images: the right pixels, labels and splits, whatever the form of either."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from stranger_packages import astrodetect as command

from astrodetect.catalogs.labelling import label_catalog
from astrodetect.catalogs.reviews import Review
from astrodetect.core.errors import AstrodetectError
from astrodetect.evaluation.truth import read_tracks, read_truth
from astrodetect.pipeline import Pipeline
from astrodetect.simulation.night import simulate_night
from astrodetect.training.config import read_training
from astrodetect.training.data.meteor_windows import MeteorWindows, eightfold
from astrodetect.training.samples.dealing import Dealing, deal, events_of
from astrodetect.training.samples.labels import UNSURE
from astrodetect.training.samples.places import along
from astrodetect.training.samples.store import Sample, open_store, samples_of
from astrodetect.training.samples.windows import shrunk


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    folder = tmp_path_factory.mktemp("night")
    simulate_night(folder, 8, seed=3, shape=(120, 160), frames=90, distractors=2)
    return folder


def data_of(night, tmp_path, **more):
    return MeteorWindows(**{"recordings": (night,), "store": tmp_path / "samples.h5", "shift": 4, **more})


def test_crops_show_what_the_truth_says_at_the_place_it_says(night, tmp_path):
    data = data_of(night, tmp_path, planes=("image", "argmax"), side=32)
    store, used = data.samples
    tracks = {
        (o.path, o.object): o for o in read_tracks(night / "tracks.csv", read_truth(night / "truth.csv"))
    }
    meteors = [(number, sample) for number, sample in used if sample.label == "meteor"]
    assert meteors
    for number, sample in meteors:
        item = tracks[sample.path, sample.object]
        frames = range(sample.frame_first, sample.frame_last + 1)
        near = min(np.hypot(*np.subtract(item.position(frame), (sample.x, sample.y))) for frame in frames)
        assert near < item.speed / 2 + 1
        image = store.image(number)
        assert image.shape == (2, 40, 40)
        assert image[1].max() <= 62
    for one in {(sample.path, sample.object) for _, sample in meteors if sample.snr > 15}:
        crops = [store.image(n)[0] for n, sample in meteors if (sample.path, sample.object) == one]
        contrast = [crop[12:-12, 12:-12].max() - np.median(crop) for crop in crops]
        scatter = 1.4826 * np.median(np.abs(crops[0] - np.median(crops[0])))
        assert max(contrast) > 6 * scatter


def test_what_is_called_nothing_is_apart_from_every_object(night, tmp_path):
    data = data_of(night, tmp_path, side=32)
    truth = read_tracks(night / "tracks.csv", read_truth(night / "truth.csv"))
    empty = [sample for _, sample in data.samples[1] if sample.place in ("score", "chance")]
    assert len(empty) > 20
    for sample in empty:
        for item in (one for one in truth if one.path == sample.path and one.has_ends):
            frames = range(
                max(sample.frame_first, int(item.frame_first)),
                min(sample.frame_last, int(item.frame_last)) + 1,
            )
            apart = [np.abs(np.subtract(item.position(f), (sample.x, sample.y))).max() for f in frames]
            assert min(apart, default=99) > 20


def test_the_planes_are_those_that_the_thesis_subtracts(night, tmp_path):
    data = data_of(night, tmp_path, planes=("max", "median", "image", "clean"), cut="frames")
    store, used = data.samples
    image = store.image(used[0][0])
    assert image.shape == (4, 120, 160)
    np.testing.assert_allclose(image[2], image[0] - image[1])
    later = store.image(used[-1][0])  # the first recordings have too few before them for a pattern
    assert not np.array_equal(later[3], later[2])
    assert used[0][1].seconds == pytest.approx(48 / 30, rel=1e-4)
    assert {sample.place for _, sample in used} == {"frame"}


def test_crops_of_28_pixels_are_those_of_56_two_by_two(night, tmp_path):
    large = data_of(night, tmp_path / "a", planes=("image", "argmax"))
    small = data_of(night, tmp_path / "b", planes=("image", "argmax"), shrink=2)
    assert [s.sample for _, s in large.samples[1]] == [s.sample for _, s in small.samples[1]]
    one, other = large.split("train").image(0), small.split("train").image(0)
    assert (one.shape, other.shape) == ((2, 56, 56), (2, 28, 28))
    np.testing.assert_allclose(other[0], one[0].reshape(28, 2, 28, 2).mean(axis=(1, 3)), rtol=1e-5)


def test_the_time_of_a_shrunk_pixel_is_that_of_its_brightest():
    image = np.array([[[1, 9], [2, 3]], [[5, 7], [6, 8]]], np.float32)
    assert shrunk(image, ("image", "argmax"), 2)[1].tolist() == [[7.0]]


def test_the_eight_copies_are_mirrored_and_shifted_with_real_pixels(night, tmp_path):
    data = data_of(night, tmp_path)
    split, single = data.split("train"), replace(data, copies=1).split("train")
    n = len(single)
    assert len(split) == 8 * n
    first = split.image(0)
    for copy, axes in ((1, 2), (2, 1), (3, (1, 2))):
        np.testing.assert_array_equal(split.image(copy * n), np.flip(first, axes))
    stored = data.samples[0].image(data.samples[1][0][0])
    shifted = split.image(4 * n)
    found = [
        (y, x)
        for y in range(9)
        for x in range(9)
        if np.array_equal(stored[:, y : y + 56, x : x + 56], shifted)
    ]
    assert len(found) == 1
    assert (split.targets.reshape(8, n) == single.targets).all()
    np.testing.assert_array_equal(split.image(4 * n), data.split("train").image(4 * n))


def test_a_shift_beyond_the_margin_is_filled_with_zeros():
    image = np.ones((1, 3, 3), np.float32)
    assert eightfold(image, 4, 0, (1, -1))[0].tolist() == [[0, 0, 0], [1, 1, 0], [1, 1, 0]]


def test_fits_files_hold_the_same_as_hdf5(night, tmp_path):
    one, other = data_of(night, tmp_path), data_of(night, tmp_path, store=tmp_path / "samples")
    first, second = one.split("validation"), other.split("validation")
    np.testing.assert_array_equal(first.targets, second.targets)
    np.testing.assert_array_equal(first.image(1), second.image(1))
    assert (tmp_path / "samples" / "0000000.fits").is_file()


def test_a_store_says_from_what_it_was_made_and_is_refused_for_other_settings(night, tmp_path):
    data_of(night, tmp_path).prepare()
    store = open_store(tmp_path / "samples.h5")
    assert "XX0001" in store.provenance["recordings"]
    assert len(samples_of(store)) == len(store.columns["row"])
    with pytest.raises(AstrodetectError, match=r"seconds = 2.1, \[data\] says 3.0"):
        data_of(night, tmp_path, seconds=3.0).prepare()


def test_what_a_person_struck_out_is_gone_and_a_changed_label_counts(night, tmp_path):
    data = data_of(night, tmp_path)
    data.prepare()
    rows = list(csv.DictReader(data.review_path.read_text().splitlines()))
    meteors = [row for row in rows if row["label"] == "meteor"]
    meteors[0]["keep"], meteors[1]["label"] = "no", "insect"
    with data.review_path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    used = {sample.sample: sample for _, sample in data_of(night, tmp_path).samples[1]}
    assert len(used) == len(rows) - 1
    assert used[int(meteors[1]["sample"])].label == "insect"
    data.make()  # again: what was said stays
    again = csv.DictReader(data.review_path.read_text().splitlines())
    assert [row["keep"] for row in again].count("no") == 1
    assert (tmp_path / "sheets" / "meteor-001.png").is_file()


@pytest.mark.parametrize("columns", ["path,label", "file,label,frame_first,frame_last"])
def test_labels_of_whole_recordings_do(night, tmp_path, columns):
    """The thesis had two heaps of event folders, and the camera's own positions."""
    truth = read_truth(night / "truth.csv")
    with_meteor = {item.path: item for item in truth if item.label == "meteor"}
    lines = [columns]
    for path in sorted({item.path for item in truth}):
        item = with_meteor.get(path)
        frames = f",{item.frame_first:.0f},{item.frame_last:.0f}" if item else ",,"
        label = "meteor" if item else "aircraft"
        lines.append(f"{path.rsplit('/', 1)[-1]},{label}{frames if 'frame' in columns else ''}")
    table = tmp_path / "own.csv"
    table.write_text("\n".join(lines), encoding="utf-8")
    data = data_of(night, tmp_path, labels=(table,))
    found = {sample.path for _, sample in data.samples[1] if sample.label == "meteor"}
    assert found == set(with_meteor)
    assert {sample.label for _, sample in data.samples[1]} >= {"meteor", "aircraft"}


def test_a_reviewed_catalog_is_a_label_and_an_unreviewed_one_is_not(night, tmp_path):
    out = tmp_path / "night.h5"
    found = Pipeline.from_toml("meteor").run(night, out=out)
    with pytest.raises(AstrodetectError, match="nobody has reviewed"):
        data_of(night, tmp_path, labels=(out,)).prepare()
    chosen = [int(number) for number in found["detection_id"]]
    labels = ["meteor" if label == "meteor" else "insect" for label in found["label"]]
    reviews = [Review("", name, detection_id=n) for n, name in zip(chosen[:-1], labels[:-1], strict=True)]
    label_catalog(out, reviews)
    data = data_of(night, tmp_path, labels=(out,), copies=1)
    used = [sample for _, sample in data.samples[1]]
    assert {sample.label for sample in used} <= {"meteor", "insect", "noise"}
    assert UNSURE not in {sample.label for sample in used}
    assert sum(sample.label == "meteor" for sample in used) > 2


def sample(number, path, station, time, label="meteor"):
    return Sample(number, path, station, 0, 62, time, 2.0, label)


def test_views_of_one_event_from_several_stations_stay_together():
    samples = [
        sample(0, "a/1", "A", 100.0), sample(1, "b/1", "B", 101.5), sample(2, "a/2", "A", 500.0),
        sample(3, "c/1", "C", 100.0, "noise"),
    ]  # fmt: skip
    assert events_of(samples, ["meteor"]) == ["a/1", "a/1", "a/2", "c/1"]


def test_no_group_is_in_two_splits_and_each_has_its_share():
    samples = [sample(n, f"s{n % 5}/{n // 3}", f"S{n % 5}", 1000.0 * n) for n in range(300)]
    splits, groups = deal(samples, ["meteor"], Dealing())
    of_group = {group: {s for s, g in zip(splits, groups, strict=True) if g == group} for group in groups}
    assert all(len(found) == 1 for found in of_group.values())
    share = {name: splits.count(name) / 300 for name in ("train", "validation", "test")}
    assert share["test"] == pytest.approx(0.15, abs=0.03)
    assert share["validation"] == pytest.approx(0.15, abs=0.03)


def test_by_station_no_event_is_seen_on_both_sides():
    samples = [sample(10 * e + s, f"s{s}/{e}", f"S{s}", 1000.0 * e + s) for e in range(20) for s in range(6)]
    splits, groups = deal(samples, ["meteor"], Dealing("station", 0.17, 0.17))
    stations = {name: {g for s, g in zip(splits, groups, strict=True) if s == name} for name in set(splits)}
    assert len(stations["test"]) == len(stations["validation"]) == 1
    assert len(stations["train"]) == 4
    events = {
        name: {o.sample // 10 for s, o in zip(splits, samples, strict=True) if s == name} for name in stations
    }
    assert not events["test"] & events["train"]
    assert len(events["train"]) > 8


def test_stations_can_be_kept_for_the_test():
    samples = [sample(n, f"s{n % 4}/{n}", f"S{n % 4}", 1000.0 * n) for n in range(80)]
    splits, _ = deal(samples, ["meteor"], Dealing(test_stations=("S2",)))
    assert {o.station for s, o in zip(splits, samples, strict=True) if s == "test"} == {"S2"}


def test_crops_follow_a_path_evenly():
    path = np.stack([np.zeros(11), np.linspace(0, 200, 11)], axis=1)
    assert along(path, 56, 4)[:, 1].tolist() == pytest.approx([25, 75, 125, 175])
    assert along(path[:1], 56, 4).tolist() == [[0, 0]]


@pytest.mark.slow
def test_from_archive_to_trained_network_with_two_commands(night, tmp_path):
    made = command("dataset", str(night), "--out", "own", "--side", "32", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "train with: astrodetect train own/train.toml" in made.stdout
    text = (tmp_path / "own" / "train.toml").read_text()
    (tmp_path / "own" / "train.toml").write_text(text.replace("epochs = 12", "epochs = 1"))
    trained = command("train", "own/train.toml", "--device", "cpu", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert (tmp_path / "own" / "run" / "model.safetensors").is_file()


def test_training_makes_the_samples_itself(night, tmp_path):
    (tmp_path / "train.toml").write_text(
        f'[data]\nuse = "meteor-windows"\nrecordings = ["{night}"]\nstore = "samples.h5"\n'
        '[train]\nout = "run"\n'
    )
    data = read_training(tmp_path / "train.toml").data
    assert len(data.split("validation")) > 0
    assert (tmp_path / "samples.h5").is_file()
    assert data.split("train").hours > 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("recordings = ['nowhere']", "no such file or folder"),
        ("recordings = ['.']", "holds no truth.csv"),
        ("recordings = ['.']\nlabels = ['none.csv']", "cannot be read"),
        ("recordings = ['.']\noverlap = 3.0", "must be less than seconds"),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path, line, said):
    (tmp_path / "train.toml").write_text(f'[data]\nuse = "meteor-windows"\nstore = "s.h5"\n{line}\n')
    done = command("dataset", "train.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
