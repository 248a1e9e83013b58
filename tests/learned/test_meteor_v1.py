"""The network that comes with the package: what it says stays what it was."""

import json
from pathlib import Path

import numpy as np
import pytest

from astrodetect.core import accepting
from astrodetect.core.tables import AcceptSettings
from astrodetect.methods.along_track import CHANNELS, COLUMNS, ROWS
from astrodetect.methods.verifying import NUMBERS, load_network
from astrodetect.pipeline import Pipeline
from astrodetect.plugins.postprocessors.verify import Verify

STORED = Path(__file__).with_name("meteor-v1.json")


def made(n=6):
    """Samples that need no random numbers: waves, and numbers between -3 and 3."""
    y, x = np.indices((ROWS, COLUMNS))
    samples = np.zeros((n, len(CHANNELS) + 1, ROWS, COLUMNS), np.float32)
    for i in range(n):
        for c in range(len(CHANNELS)):
            samples[i, c] = np.rint(40 * np.sin(0.3 * i + (0.1 + 0.07 * c) * x + 0.2 * i * y)) / 16
        samples[i, -1, :, : len(NUMBERS)] = np.rint(48 * np.sin(1.7 * np.arange(len(NUMBERS)) + i)) / 16
    return samples


def test_the_shipped_weights_say_what_they_said():
    network = load_network(Verify().file)
    stored = json.loads(STORED.read_text())
    assert list(network.labels) == stored["labels"]
    np.testing.assert_allclose(network.logits(made()), stored["logits"], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(network.chances(made()), stored["chances"], rtol=1e-9, atol=1e-12)


def test_the_file_is_small():
    assert Verify().file.stat().st_size < 5_000_000


@pytest.mark.parametrize("wanted", [{"recall": 0.3}, {"false_per_night": 200.0}])
def test_its_operating_curve_gives_thresholds(wanted):
    least = accepting.least_probability(AcceptSettings(labels=("meteor",), **wanted), Verify())
    assert 0 < least < 1


def test_a_pipeline_asks_who_decides_last():
    text = Pipeline.from_toml("meteor").text
    asked = text[: text.index("threshold")] + "recall = 0.3\n"
    curve = Verify().operating_curve("meteor")
    assert curve is not None
    assert Pipeline(asked).plan.least == curve.for_recall(0.3)


def store():
    """Write what the network says now: run after new weights, by hand."""
    network = load_network(Verify().file)
    said = {"labels": list(network.labels), "logits": network.logits(made()).tolist(),
            "chances": network.chances(made()).tolist()}  # fmt: skip
    STORED.write_text(json.dumps(said) + "\n")


if __name__ == "__main__":
    store()
