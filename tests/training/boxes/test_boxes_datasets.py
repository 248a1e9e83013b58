"""Data sets with boxes: simulated, and from label files; their batches."""

import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from PIL import Image

from astrodetect.core.errors import AstrodetectError
from astrodetect.simulation.fields.command import run as simulate
from astrodetect.training.boxes.datasets import BoxLoader
from astrodetect.training.boxes.labelled import LabelledBoxes
from astrodetect.training.boxes.radio import RadioFields
from astrodetect.training.boxes.vary import BoxAugmentSettings


@pytest.fixture(scope="module")
def fields(tmp_path_factory):
    """Three radio fields with their truth."""
    folder = tmp_path_factory.mktemp("fields") / "radio"
    simulate(folder, scene="radio", recordings=3, shape=(160, 200), seed=4, quiet=True)
    return folder


def same(a, b):
    np.testing.assert_array_equal(a[0], b[0])
    np.testing.assert_array_equal(a[1].boxes, b[1].boxes)


def test_simulated_fields_are_the_same_for_the_same_numbers():
    data = RadioFields(shape=(64, 64), seed=3)
    same(data.sample("train", 5, 2), data.sample("train", 5, 2))
    same(data.sample("validation", 5, 2), data.sample("validation", 5, 0))
    assert (data.sample("train", 5, 2)[0] != data.sample("train", 5, 3)[0]).any()
    assert (data.sample("train", 5, 0)[0] != data.sample("validation", 5, 0)[0]).any()


def test_simulated_targets_lie_inside_with_all_parameters():
    data = RadioFields(shape=(96, 96), empty=0.0, densities=(200, 200))
    image, targets = data.sample("train", 0)
    assert image.shape == (1, 96, 96)
    assert image.dtype == np.float32
    assert len(targets) > 10
    assert targets.parameters.shape == (len(targets), 5)
    assert targets.boxes[:, :2].min() >= 0
    assert targets.boxes[:, 3:5].max() <= 96
    assert 0 < targets.difficult.mean() < 1
    assert len(RadioFields(shape=(96, 96), empty=1.0).sample("train", 0)[1]) == 0


def test_batches_repeat_and_resume():
    data = RadioFields(shape=(48, 48), train=7)
    loader = BoxLoader(data, "train", 3, seed=1, augment=BoxAugmentSettings())
    batches = list(loader.batches(epoch=2))
    assert [tuple(images.shape) for images, _ in batches] == [(3, 1, 48, 48), (3, 1, 48, 48), (1, 1, 48, 48)]
    assert [len(targets) for _, targets in batches] == [3, 3, 1]
    resumed = list(loader.batches(epoch=2, first=1))
    assert len(resumed) == 2
    np.testing.assert_array_equal(resumed[0][0], batches[1][0])
    other = next(loader.batches(epoch=3))
    assert (other[0] != batches[0][0]).any()
    assert list(BoxLoader(data, "train", 3).batches(first=3)) == []


def test_fits_with_a_catalogue(fields):
    data = LabelledBoxes(fields, fields / "truth.csv", size=(64, 64), shapes=True,
                         flux_range=(3e-6, 3e-3), validation=0.34, test=0.34)  # fmt: skip
    assert data.classes == ("galaxy",)
    assert data.channels == 1
    image, targets = data.sample("train", 0)
    assert image.shape == (1, 64, 64)
    assert targets.parameters.shape[1] == 5
    assert data.count("validation") == 2 * 3  # tiles of one image of 160 x 200
    truth = Table.read(fields / "truth.csv")
    for split in ("validation", "test"):
        found = sum(len(data.sample(split, number)[1]) for number in range(data.count(split)))
        assert 20 < found < len(truth) / 3


def test_a_piece_shows_what_its_boxes_say(fields):
    """The brightest pixel of the field lies in the box of the brightest source, wherever the piece is."""
    one = fields / "radio-0001.fits"
    truth = Table.read(fields / "truth.csv")
    truth = truth[truth["path"] == "radio-0001.fits"]
    table = fields.parent / "one.ecsv"
    truth.remove_column("path")
    truth.write(table, overwrite=True)
    data = LabelledBoxes(one, table, size=(150, 150), validation=0, test=0, shapes=True, flux_range=(1e-6, 1))
    for number in range(5):
        image, targets = data.sample("train", number)
        best = int(np.argmax(targets.parameters[:, 0]))
        x_min, y_min, _, x_max, y_max, _ = targets.boxes[best]
        peak = image[0, int(y_min) : int(y_max) + 1, int(x_min) : int(x_max) + 1].max()
        assert peak > np.sort(image.ravel())[-40]


def test_right_ascension_and_declination_become_pixels(fields):
    truth = Table.read(fields / "truth.csv")
    truth = truth[truth["path"] == "radio-0002.fits"]
    only = Table({"RA": truth["ra"], "DEC": truth["dec"], "label": truth["label"]})
    only.write(fields.parent / "sky.fits", overwrite=True)
    data = LabelledBoxes(fields / "radio-0002.fits", fields.parent / "sky.fits", size=(160, 200),
                         validation=0, test=0, box_size=4, partial="clip", least=0.1)  # fmt: skip
    boxes = data.sample("train", 0)[1].boxes
    assert len(boxes) == len(truth)
    inner = (truth["x"] > 3) & (truth["x"] < 196) & (truth["y"] > 3) & (truth["y"] < 156)
    middles = (boxes[:, 0] + boxes[:, 3] - 1) / 2
    np.testing.assert_allclose(middles[inner], truth["x"][inner], atol=0.01)
    np.testing.assert_allclose(boxes[inner, 3] - boxes[inner, 0], 4, atol=1e-4)


def test_a_single_map_is_divided_by_its_rows(fields):
    data = LabelledBoxes(
        fields / "radio-0001.fits", fields / "truth.csv", size=(32, 32), validation=0.2, test=0.2
    )
    with pytest.raises(AstrodetectError, match=r"names the image 'radio-0002.fits', which is not in"):
        data.sample("train", 0)
    sizes = {split: {(own.first, own.last) for own in data._regions[split]} for split in data._regions}
    assert sizes == {"train": {(0, 96)}, "validation": {(96, 128)}, "test": {(128, 160)}}
    assert data.count("validation") == 6


def pictures(folder):
    """Two colour pictures of 8 bits with a bright rectangle each."""
    (folder / "images").mkdir(parents=True)
    boxes = {"a": (10, 12, 22, 20), "b": (30, 4, 40, 16)}
    for name, (x0, y0, x1, y1) in boxes.items():
        pixels = np.zeros((40, 50, 3), np.uint8)
        pixels[y0:y1, x0:x1] = (200, 100, 50)
        Image.fromarray(pixels).save(folder / "images" / f"{name}.png")
    return boxes


def check_pictures(data, boxes):
    assert data.classes == ("ship", "whale")
    assert data.channels == 3
    seen = set()
    for number in range(12):
        image, targets = data.sample("train", number)
        assert image.shape == (3, 40, 50)
        assert image.max() == 200  # nothing is divided
        assert len(targets) == 1
        x0, y0, _, x1, y1, _ = targets.boxes[0].round(3).tolist()
        assert (x0, y0, x1, y1) in boxes.values()
        assert (image[0, int(y0) : int(y1), int(x0) : int(x1)] == 200).all()
        seen.add((x0, int(targets.classes[0])))
    assert seen == {(10, 0), (30, 1)}


def test_yolo_text(tmp_path):
    boxes = pictures(tmp_path)
    (tmp_path / "labels").mkdir()
    for number, (name, (x0, y0, x1, y1)) in enumerate(boxes.items()):
        values = ((x0 + x1) / 2 / 50, (y0 + y1) / 2 / 40, (x1 - x0) / 50, (y1 - y0) / 40)
        text = " ".join(map(str, values))
        (tmp_path / "labels" / f"{name}.txt").write_text(f"{number} {text}\n")
    (tmp_path / "labels" / "classes.txt").write_text("ship\nwhale\n")
    data = LabelledBoxes(tmp_path / "images", tmp_path / "labels", size=(40, 50), validation=0, test=0)
    check_pictures(data, boxes)


def coco(boxes):
    return {
        "images": [
            {"id": n, "file_name": f"{name}.png", "width": 50, "height": 40} for n, name in enumerate(boxes)
        ],
        "categories": [{"id": 0, "name": "ship"}, {"id": 1, "name": "whale"}],
        "annotations": [
            {"id": n, "image_id": n, "category_id": n, "bbox": [x0, y0, x1 - x0, y1 - y0]}
            for n, (x0, y0, x1, y1) in enumerate(boxes.values())
        ],
    }


def test_coco_json(tmp_path):
    boxes = pictures(tmp_path)
    (tmp_path / "coco.json").write_text(json.dumps(coco(boxes)))
    data = LabelledBoxes(tmp_path / "images", tmp_path / "coco.json", size=(40, 50), validation=0, test=0)
    check_pictures(data, boxes)


def test_small_images_are_filled_up_and_pixels_without_data_hide_boxes(tmp_path):
    pixels = np.ones((20, 24), np.float32)
    pixels[:, 12:] = np.nan
    fits.writeto(tmp_path / "map.fits", pixels[None, None])  # as interferometers write them
    (tmp_path / "map.csv").write_text(
        "path,label,x_min,y_min,x_max,y_max\nmap.fits,s,2,2,6,6\nmap.fits,s,14,4,18,9\nmap.fits,s,-2,10,3,14\n"
    )
    data = LabelledBoxes(tmp_path / "map.fits", tmp_path / "map.csv", size=(32, 40), validation=0, test=0)
    image, targets = data.sample("train", 0)
    assert image.shape == (1, 32, 40)
    assert np.isfinite(image).sum() == 20 * 12
    assert targets.boxes[:, 0].tolist() == [2]  # one is without data, one reaches beyond the image
    whole = LabelledBoxes(tmp_path / "map.fits", tmp_path / "map.csv", size=(32, 40), partial="clip",
                          validation=0, test=0)  # fmt: skip
    assert whole.sample("train", 0)[1].boxes[:, 0].tolist() == [2, 0]


def test_an_image_without_objects_has_none(tmp_path):
    fits.writeto(tmp_path / "a.fits", np.zeros((20, 20), np.int16))
    fits.writeto(tmp_path / "b.fits", np.zeros((20, 20), np.int16))
    (tmp_path / "t.csv").write_text("path,x_min,y_min,x_max,y_max\na.fits,1,1,5,5\n")
    data = LabelledBoxes(tmp_path, tmp_path / "t.csv", size=(20, 20), validation=0, test=0.5)
    counts = [len(data.sample(split, 0)[1]) for split in ("train", "test")]
    assert sorted(counts) == [0, 1]
    assert data.classes == ("source",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "path,x_min,y_min,x_max,y_max\na.fits,4,1,4,5\n",
            "a.fits: box 0 is empty or no number: 4, 1, 0, 4, 5, 1",
        ),
        ("path,x_min,y_min,x_max,y_max\na.fits,4,1,x,5\n", "row 2: x_max is 'x'; expected a number"),
        ("path,x_min,y_min,x_max,y_max\na.fits,4,1\n", "row 2: 3 values; expected 5"),
        ("path,x_min,y_min,x_max,y_max\nc.fits,4,1,6,5\n", "names the image 'c.fits', which is not in"),
        (
            "path,label,x_min,y_min,x_max,y_max\na.fits,star,4,1,6,5\n",
            "label 'star' of a.fits is none of galaxy",
        ),
        ("what is this\n", "expected"),
    ],
)
def test_bad_labels_are_one_line_with_file_and_row(tmp_path, text, told):
    fits.writeto(tmp_path / "a.fits", np.zeros((20, 20), np.int16))
    (tmp_path / "t.csv").write_text(text)
    data = LabelledBoxes(tmp_path, tmp_path / "t.csv", names=("galaxy",), size=(20, 20), validation=0, test=0)
    with pytest.raises(AstrodetectError) as caught:
        data.sample("train", 0)
    assert told in str(caught.value)
    assert str(tmp_path / "t.csv") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_images_are_one_line(tmp_path):
    (tmp_path / "t.csv").write_text("path,x_min,y_min,x_max,y_max\n")
    with pytest.raises(AstrodetectError, match="no images; expected a folder"):
        LabelledBoxes(tmp_path, tmp_path / "t.csv").sample("train", 0)
    (tmp_path / "a.fits").write_bytes(b"no")
    with pytest.raises(AstrodetectError, match=r"a.fits: cannot be read as FITS"):
        LabelledBoxes(tmp_path, tmp_path / "t.csv").sample("train", 0)
    fits.writeto(tmp_path / "a.fits", np.zeros((3, 2, 20, 20), np.int16), overwrite=True)
    with pytest.raises(AstrodetectError, match=r"axes \(3, 2, 20, 20\); expected"):
        LabelledBoxes(tmp_path, tmp_path / "t.csv").sample("train", 0)
