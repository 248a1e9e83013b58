"""Data sets with boxes, by the name that ``[data] use`` gives."""

from __future__ import annotations

from astrodetect.training.boxes.datasets import BoxDataSet
from astrodetect.training.boxes.labelled import LabelledBoxes
from astrodetect.training.boxes.radio import RadioFields

BOX_DATA_SETS: dict[str, type[BoxDataSet]] = {
    "radio-fields": RadioFields,
    "labelled-boxes": LabelledBoxes,
}
