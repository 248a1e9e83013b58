"""How data shows itself in a notebook: images as inline PNG, tables as HTML. Nothing is loaded before."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.arrays import to_numpy
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.printing import printable

if TYPE_CHECKING:
    from pandas import DataFrame

#: Largest side of a picture in a notebook; rows of a table.
_MOST_SIDE, _MOST_ROWS = 720, 20


def text(value: object) -> str:
    """Give text for HTML: escaped, control characters made visible."""
    return html.escape(printable(str(value)))


def grey(image: Any) -> NDArray[np.uint8]:
    """Give 8-bit levels of an image: black at the 1st, white at the 99.9th percentile, asinh between.

    Parameters
    ----------
    image : (H, W) array
        NumPy, torch or lazy; what is not finite is black. Reduced by maxima where it is large.
    """
    values = np.asarray(to_numpy(image[...]), dtype=np.float32)
    step = max(1, -(-max(values.shape) // _MOST_SIDE))
    if step > 1:
        rows = np.maximum.reduceat(values, np.arange(0, values.shape[0], step), axis=0)
        values = np.maximum.reduceat(rows, np.arange(0, values.shape[1], step), axis=1)
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, [1, 99.9]) if finite.size else (0.0, 1.0)
    share = np.clip(np.nan_to_num((values - low) / max(float(high - low), 1e-9), neginf=0.0), 0, 1)
    return np.asarray(np.round(255 * np.arcsinh(10 * share) / math.asinh(10)), dtype=np.uint8)


def picture(image: Any, said: str) -> str:
    """Give an image as an ``<img>`` that holds its own data."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(grey(image)).save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img alt="{text(said)}" src="data:image/png;base64,{data}" style="image-rendering: pixelated">'


def figure(image: Any, said: str) -> str:
    """Give an image with a line below."""
    return f"<figure style='margin: 0'>{picture(image, said)}<figcaption>{text(said)}</figcaption></figure>"


def table(columns: Mapping[str, Sequence[Any]], n: int, title: str) -> str:
    """Give the first rows of a table.

    Parameters
    ----------
    columns : mapping of str to sequence
        By name.
    n : int
        Rows that there are.
    title : str
        Above it.
    """
    head = "".join(f"<th>{text(name)}</th>" for name in columns)
    shown = min(n, _MOST_ROWS)
    body = "".join(
        "<tr>" + "".join(f"<td>{text(_short(values[i]))}</td>" for values in columns.values()) + "</tr>"
        for i in range(shown)
    )
    more = f"<p>and {n - shown} more</p>" if n > shown else ""
    return f"<p>{text(title)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _short(value: Any) -> Any:
    return f"{value:.4g}" if isinstance(value, float | np.floating) else value


def to_pandas(columns: Mapping[str, Any]) -> DataFrame:
    """Give columns as a pandas table.

    Raises
    ------
    AstrodetectError
        pandas is not installed.
    """
    try:
        from pandas import DataFrame
    except ImportError as error:
        raise AstrodetectError(
            'to_pandas needs pandas, which is not installed: pip install "astrodetect[parquet]"'
        ) from error
    return DataFrame({name: np.asarray(values) for name, values in columns.items()})
