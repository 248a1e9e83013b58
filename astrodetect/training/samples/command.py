"""What ``astrodetect dataset`` does: make the samples of a training file, or write one to begin with."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from astrodetect.core import settings
from astrodetect.core.errors import AstrodetectError, ConfigurationError
from astrodetect.training.config import read_data
from astrodetect.training.data.meteor_windows import MeteorWindows
from astrodetect.training.tables import put

#: The training file that is written where there is none: a network of patches, small enough for a processor.
_TEMPLATE = """\
# Written by `astrodetect dataset`; train with `astrodetect train {name}`.
[data]
use = "meteor-windows"
{data}# copies = 8               # every training image as it is, mirrored, and shifted
# group = "station"        # judge on cameras that the network has not seen; needs three stations

[model]
method = "fcn-mil"           # one decision for each crop; what it has learned also runs over whole frames
channels = {channels}
white = {white}                # the value that becomes 1: what bright objects reach
feature_channels = [16, 32, 64, 64]
feature_shrink = [1, 1, 1, 0]
pooling = "top-r"
dropout = 0.2

[train]
out = "run"
epochs = 12
batch = 64
oversample = true            # meteors are rare
monitor = "loss"
"""


def make(
    inputs: tuple[Path, ...],
    *,
    labels: tuple[Path, ...],
    out: Path | None,
    fresh: bool,
    quiet: bool,
    **more: Any,
) -> str:
    """Make the samples of a training file, or of recordings.

    Parameters
    ----------
    inputs : tuple of Path
        One training file; or recordings, and then `out` gets one.
    labels : tuple of Path
        What the recordings show.
    out : Path or None
        Folder for the samples and the training file.
    fresh : bool
        Make samples again that are there.
    quiet : bool
        No progress.
    **more
        Settings of ``[data]`` that differ from the defaults.

    Returns
    -------
    str
        What was made, for the user.

    Raises
    ------
    AstrodetectError
        A mistake in the file or in what was given, or there is a training file already.
    """
    if len(inputs) == 1 and inputs[0].suffix == ".toml":
        if labels or out is not None or more:
            raise AstrodetectError(f"{inputs[0]}: is a training file; its [data] says all, give nothing else")
        return _of_file(inputs[0], fresh=fresh, quiet=quiet)
    if out is None:
        raise AstrodetectError("give --out, a folder for the samples; or one training file (.toml)")
    config = out / "train.toml"
    if config.exists() and not fresh:
        raise AstrodetectError(
            f"{config}: is there already; give it to `astrodetect dataset`, or --fresh to write it anew"
        )
    table: dict[str, Any] = {"recordings": _absolute(inputs), "store": "samples.h5"}
    table |= {"labels": _absolute(labels)} if labels else {}
    table |= {key: list(value) if isinstance(value, tuple) else value for key, value in more.items()}
    problems: list[str] = []
    data = settings.build(MeteorWindows, table, "astrodetect dataset:", out, problems)
    if data is None:
        raise ConfigurationError(problems)
    made = _build(data, quiet)
    text = _TEMPLATE.format(
        name=config, data=tomli_w.dumps(table), channels=len(data.planes), white=white_of(data)
    )
    put(config, text)
    return made + _summary(data, config)


def _of_file(config: Path, *, fresh: bool, quiet: bool) -> str:
    data = read_data(config)
    if not isinstance(data, MeteorWindows):
        raise AstrodetectError(f'{config}: [data] use: only "meteor-windows" is made beforehand')
    if not fresh and data.store.exists():
        data.prepare()
        return _summary(data, config)
    return _build(data, quiet) + _summary(data, config)


def _absolute(paths: tuple[Path, ...]) -> list[str]:
    return [os.path.abspath(path) for path in paths]


def _build(data: MeteorWindows, quiet: bool) -> str:
    from tqdm import tqdm

    hidden = quiet or not sys.stderr.isatty()
    with tqdm(unit="recording", disable=hidden, leave=False, file=sys.stderr) as bar:

        def tell(line: str) -> None:
            if not quiet:
                bar.write(line, file=sys.stderr)

        done = data.make(tell, lambda _: bar.update())
    failed = f", {len(done.failed)} recordings failed" if done.failed else ""
    return f"{len(done.samples)} samples of {len(done.labels.labelled)} recordings{failed}\n"


def _summary(data: MeteorWindows, config: Path) -> str:
    review = data.review_path
    return (
        f"{data.summary()}{data.store}: the samples\n"
        f"{review}: to go through, with the pictures in {review.parent / 'sheets'}\n"
        f"train with: astrodetect train {config}\n"
    )


def white_of(data: MeteorWindows) -> float:
    """Give the value that becomes 1 for a network: what bright objects reach in the first plane.

    Parameters
    ----------
    data : MeteorWindows
        Made; up to 200 samples of what is looked for are read, or of others where there are none.
    """
    store, used = data.samples
    numbers = [number for number, sample in used if sample.label in data.wanted] or [n for n, _ in used]
    step = -(-len(numbers) // 200)
    highest = [float(store.image(number)[0].max()) for number in numbers[::step]]
    return max(1.0, round(float(np.percentile(highest, 75)), 1))
