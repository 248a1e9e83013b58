"""Selecting from sorted rows of pixels, compiled: middle values, maximum, and when it was.

As in `astrodetect.methods.fast_sort` each function is one loop over pixels with a network as its body.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.methods.compiled import compiled
from astrodetect.methods.fast_sort import P


@compiled
def lower_32(rows: NDArray[Any]) -> None:
    """Take the value just below the middle of two sorted halves of 32 rows: the least maximum of pairs.

    Parameters
    ----------
    rows : (35 * P,) array
        Row after row; row 33 is written to.
    """
    for i in range(P):
        m = min(rows[15 * P + i], rows[31 * P + i])
        m = min(m, max(rows[i], rows[30 * P + i]))
        m = min(m, max(rows[P + i], rows[29 * P + i]))
        m = min(m, max(rows[2 * P + i], rows[28 * P + i]))
        m = min(m, max(rows[3 * P + i], rows[27 * P + i]))
        m = min(m, max(rows[4 * P + i], rows[26 * P + i]))
        m = min(m, max(rows[5 * P + i], rows[25 * P + i]))
        m = min(m, max(rows[6 * P + i], rows[24 * P + i]))
        m = min(m, max(rows[7 * P + i], rows[23 * P + i]))
        m = min(m, max(rows[8 * P + i], rows[22 * P + i]))
        m = min(m, max(rows[9 * P + i], rows[21 * P + i]))
        m = min(m, max(rows[10 * P + i], rows[20 * P + i]))
        m = min(m, max(rows[11 * P + i], rows[19 * P + i]))
        m = min(m, max(rows[12 * P + i], rows[18 * P + i]))
        m = min(m, max(rows[13 * P + i], rows[17 * P + i]))
        m = min(m, max(rows[14 * P + i], rows[16 * P + i]))
        rows[33 * P + i] = m


@compiled
def upper_32(rows: NDArray[Any]) -> None:
    """Take the value just above the middle of two sorted halves of 32 rows: the least maximum of pairs.

    Parameters
    ----------
    rows : (35 * P,) array
        Row after row; row 34 is written to.
    """
    for i in range(P):
        m = max(rows[i], rows[31 * P + i])
        m = min(m, max(rows[P + i], rows[30 * P + i]))
        m = min(m, max(rows[2 * P + i], rows[29 * P + i]))
        m = min(m, max(rows[3 * P + i], rows[28 * P + i]))
        m = min(m, max(rows[4 * P + i], rows[27 * P + i]))
        m = min(m, max(rows[5 * P + i], rows[26 * P + i]))
        m = min(m, max(rows[6 * P + i], rows[25 * P + i]))
        m = min(m, max(rows[7 * P + i], rows[24 * P + i]))
        m = min(m, max(rows[8 * P + i], rows[23 * P + i]))
        m = min(m, max(rows[9 * P + i], rows[22 * P + i]))
        m = min(m, max(rows[10 * P + i], rows[21 * P + i]))
        m = min(m, max(rows[11 * P + i], rows[20 * P + i]))
        m = min(m, max(rows[12 * P + i], rows[19 * P + i]))
        m = min(m, max(rows[13 * P + i], rows[18 * P + i]))
        m = min(m, max(rows[14 * P + i], rows[17 * P + i]))
        m = min(m, max(rows[15 * P + i], rows[16 * P + i]))
        rows[34 * P + i] = m


@compiled
def lower_64(rows: NDArray[Any]) -> None:
    """Take the value just below the middle of two sorted halves of 64 rows: the least maximum of pairs.

    Parameters
    ----------
    rows : (67 * P,) array
        Row after row; row 65 is written to.
    """
    for i in range(P):
        m = min(rows[31 * P + i], rows[63 * P + i])
        m = min(m, max(rows[i], rows[62 * P + i]))
        m = min(m, max(rows[P + i], rows[61 * P + i]))
        m = min(m, max(rows[2 * P + i], rows[60 * P + i]))
        m = min(m, max(rows[3 * P + i], rows[59 * P + i]))
        m = min(m, max(rows[4 * P + i], rows[58 * P + i]))
        m = min(m, max(rows[5 * P + i], rows[57 * P + i]))
        m = min(m, max(rows[6 * P + i], rows[56 * P + i]))
        m = min(m, max(rows[7 * P + i], rows[55 * P + i]))
        m = min(m, max(rows[8 * P + i], rows[54 * P + i]))
        m = min(m, max(rows[9 * P + i], rows[53 * P + i]))
        m = min(m, max(rows[10 * P + i], rows[52 * P + i]))
        m = min(m, max(rows[11 * P + i], rows[51 * P + i]))
        m = min(m, max(rows[12 * P + i], rows[50 * P + i]))
        m = min(m, max(rows[13 * P + i], rows[49 * P + i]))
        m = min(m, max(rows[14 * P + i], rows[48 * P + i]))
        m = min(m, max(rows[15 * P + i], rows[47 * P + i]))
        m = min(m, max(rows[16 * P + i], rows[46 * P + i]))
        m = min(m, max(rows[17 * P + i], rows[45 * P + i]))
        m = min(m, max(rows[18 * P + i], rows[44 * P + i]))
        m = min(m, max(rows[19 * P + i], rows[43 * P + i]))
        m = min(m, max(rows[20 * P + i], rows[42 * P + i]))
        m = min(m, max(rows[21 * P + i], rows[41 * P + i]))
        m = min(m, max(rows[22 * P + i], rows[40 * P + i]))
        m = min(m, max(rows[23 * P + i], rows[39 * P + i]))
        m = min(m, max(rows[24 * P + i], rows[38 * P + i]))
        m = min(m, max(rows[25 * P + i], rows[37 * P + i]))
        m = min(m, max(rows[26 * P + i], rows[36 * P + i]))
        m = min(m, max(rows[27 * P + i], rows[35 * P + i]))
        m = min(m, max(rows[28 * P + i], rows[34 * P + i]))
        m = min(m, max(rows[29 * P + i], rows[33 * P + i]))
        m = min(m, max(rows[30 * P + i], rows[32 * P + i]))
        rows[65 * P + i] = m


@compiled
def upper_64(rows: NDArray[Any]) -> None:
    """Take the value just above the middle of two sorted halves of 64 rows: the least maximum of pairs.

    Parameters
    ----------
    rows : (67 * P,) array
        Row after row; row 66 is written to.
    """
    for i in range(P):
        m = max(rows[i], rows[63 * P + i])
        m = min(m, max(rows[P + i], rows[62 * P + i]))
        m = min(m, max(rows[2 * P + i], rows[61 * P + i]))
        m = min(m, max(rows[3 * P + i], rows[60 * P + i]))
        m = min(m, max(rows[4 * P + i], rows[59 * P + i]))
        m = min(m, max(rows[5 * P + i], rows[58 * P + i]))
        m = min(m, max(rows[6 * P + i], rows[57 * P + i]))
        m = min(m, max(rows[7 * P + i], rows[56 * P + i]))
        m = min(m, max(rows[8 * P + i], rows[55 * P + i]))
        m = min(m, max(rows[9 * P + i], rows[54 * P + i]))
        m = min(m, max(rows[10 * P + i], rows[53 * P + i]))
        m = min(m, max(rows[11 * P + i], rows[52 * P + i]))
        m = min(m, max(rows[12 * P + i], rows[51 * P + i]))
        m = min(m, max(rows[13 * P + i], rows[50 * P + i]))
        m = min(m, max(rows[14 * P + i], rows[49 * P + i]))
        m = min(m, max(rows[15 * P + i], rows[48 * P + i]))
        m = min(m, max(rows[16 * P + i], rows[47 * P + i]))
        m = min(m, max(rows[17 * P + i], rows[46 * P + i]))
        m = min(m, max(rows[18 * P + i], rows[45 * P + i]))
        m = min(m, max(rows[19 * P + i], rows[44 * P + i]))
        m = min(m, max(rows[20 * P + i], rows[43 * P + i]))
        m = min(m, max(rows[21 * P + i], rows[42 * P + i]))
        m = min(m, max(rows[22 * P + i], rows[41 * P + i]))
        m = min(m, max(rows[23 * P + i], rows[40 * P + i]))
        m = min(m, max(rows[24 * P + i], rows[39 * P + i]))
        m = min(m, max(rows[25 * P + i], rows[38 * P + i]))
        m = min(m, max(rows[26 * P + i], rows[37 * P + i]))
        m = min(m, max(rows[27 * P + i], rows[36 * P + i]))
        m = min(m, max(rows[28 * P + i], rows[35 * P + i]))
        m = min(m, max(rows[29 * P + i], rows[34 * P + i]))
        m = min(m, max(rows[30 * P + i], rows[33 * P + i]))
        m = min(m, max(rows[31 * P + i], rows[32 * P + i]))
        rows[66 * P + i] = m


@compiled
def highest_16(rows: NDArray[Any], highest: NDArray[Any]) -> None:
    """Keep the maximum of 16 rows.

    Parameters
    ----------
    rows : (16 * P,) array
        Row after row.
    highest : (P,) array
        The maximum so far; written to.
    """
    for i in range(P):
        m = max(highest[i], rows[i])
        m = max(m, rows[P + i])
        m = max(m, rows[2 * P + i])
        m = max(m, rows[3 * P + i])
        m = max(m, rows[4 * P + i])
        m = max(m, rows[5 * P + i])
        m = max(m, rows[6 * P + i])
        m = max(m, rows[7 * P + i])
        m = max(m, rows[8 * P + i])
        m = max(m, rows[9 * P + i])
        m = max(m, rows[10 * P + i])
        m = max(m, rows[11 * P + i])
        m = max(m, rows[12 * P + i])
        m = max(m, rows[13 * P + i])
        m = max(m, rows[14 * P + i])
        m = max(m, rows[15 * P + i])
        highest[i] = m


@compiled
def dated_highest_16(rows: NDArray[Any], highest: NDArray[Any], when: NDArray[np.uint8], first: int) -> None:
    """Keep the maximum of 16 rows, and which row was the first to have it.

    Parameters
    ----------
    rows : (16 * P,) array
        Row after row.
    highest : (P,) array
        The maximum so far; written to.
    when : (P,) uint8 array
        Number of its row; written to.
    first : int
        Number of the first of these rows.
    """
    start = np.uint8(first)
    for i in range(P):
        m, k = highest[i], when[i]
        v = rows[i]
        m, k = max(m, v), np.uint8(start + np.uint8(0)) if v > m else k
        v = rows[P + i]
        m, k = max(m, v), np.uint8(start + np.uint8(1)) if v > m else k
        v = rows[2 * P + i]
        m, k = max(m, v), np.uint8(start + np.uint8(2)) if v > m else k
        v = rows[3 * P + i]
        m, k = max(m, v), np.uint8(start + np.uint8(3)) if v > m else k
        v = rows[4 * P + i]
        m, k = max(m, v), np.uint8(start + np.uint8(4)) if v > m else k
        v = rows[5 * P + i]
        m, k = max(m, v), np.uint8(start + np.uint8(5)) if v > m else k
        v = rows[6 * P + i]
        m, k = max(m, v), np.uint8(start + np.uint8(6)) if v > m else k
        v = rows[7 * P + i]
        m, k = max(m, v), np.uint8(start + np.uint8(7)) if v > m else k
        v = rows[8 * P + i]
        m, k = max(m, v), np.uint8(start + np.uint8(8)) if v > m else k
        v = rows[9 * P + i]
        m, k = max(m, v), np.uint8(start + np.uint8(9)) if v > m else k
        v = rows[10 * P + i]
        m, k = max(m, v), np.uint8(start + np.uint8(10)) if v > m else k
        v = rows[11 * P + i]
        m, k = max(m, v), np.uint8(start + np.uint8(11)) if v > m else k
        v = rows[12 * P + i]
        m, k = max(m, v), np.uint8(start + np.uint8(12)) if v > m else k
        v = rows[13 * P + i]
        m, k = max(m, v), np.uint8(start + np.uint8(13)) if v > m else k
        v = rows[14 * P + i]
        m, k = max(m, v), np.uint8(start + np.uint8(14)) if v > m else k
        v = rows[15 * P + i]
        m, k = max(m, v), np.uint8(start + np.uint8(15)) if v > m else k
        highest[i], when[i] = m, k
