"""Sorting rows of pixels, compiled: networks of minima and maxima, written out.

Each function is one loop over pixels whose body is a whole network, so that the compiler keeps the
values of a pixel in vector registers. They are the same for every number of frames: compiled once per
type, and kept on disk. Comparators of one line do not depend on each other.

References
----------
Green's sorter of 16 and Batcher's odd-even merge: see `astrodetect.methods.median_network`.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from astrodetect.methods.compiled import compiled

#: Pixels of a row: long enough that a call costs little, short enough that all rows stay in the cache.
P = 256


@compiled
def sort_16(rows: NDArray[Any]) -> None:
    """Sort each pixel of 16 rows in place.

    Parameters
    ----------
    rows : (16 * P,) array
        Row after row.
    """
    for i in range(P):
        a, b, c, d = rows[i], rows[P + i], rows[2 * P + i], rows[3 * P + i]
        e, f, g, h = rows[4 * P + i], rows[5 * P + i], rows[6 * P + i], rows[7 * P + i]
        j, k, m, n = rows[8 * P + i], rows[9 * P + i], rows[10 * P + i], rows[11 * P + i]
        p, q, r, s = rows[12 * P + i], rows[13 * P + i], rows[14 * P + i], rows[15 * P + i]
        a, b, c, d, e, f = min(a, b), max(a, b), min(c, d), max(c, d), min(e, f), max(e, f)
        g, h, j, k, m, n = min(g, h), max(g, h), min(j, k), max(j, k), min(m, n), max(m, n)
        p, q, r, s = min(p, q), max(p, q), min(r, s), max(r, s)
        a, c, b, d, e, g = min(a, c), max(a, c), min(b, d), max(b, d), min(e, g), max(e, g)
        f, h, j, m, k, n = min(f, h), max(f, h), min(j, m), max(j, m), min(k, n), max(k, n)
        p, r, q, s = min(p, r), max(p, r), min(q, s), max(q, s)
        a, e, b, f, c, g = min(a, e), max(a, e), min(b, f), max(b, f), min(c, g), max(c, g)
        d, h, j, p, k, q = min(d, h), max(d, h), min(j, p), max(j, p), min(k, q), max(k, q)
        m, r, n, s = min(m, r), max(m, r), min(n, s), max(n, s)
        a, j, b, k, c, m = min(a, j), max(a, j), min(b, k), max(b, k), min(c, m), max(c, m)
        d, n, e, p, f, q = min(d, n), max(d, n), min(e, p), max(e, p), min(f, q), max(f, q)
        g, r, h, s = min(g, r), max(g, r), min(h, s), max(h, s)
        f, m, g, k, d, p = min(f, m), max(f, m), min(g, k), max(g, k), min(d, p), max(d, p)
        q, r, e, j, h, n = min(q, r), max(q, r), min(e, j), max(e, j), min(h, n), max(h, n)
        b, c = min(b, c), max(b, c)
        b, e, h, q, c, j = min(b, e), max(b, e), min(h, q), max(h, q), min(c, j), max(c, j)
        n, r, f, g, k, m = min(n, r), max(n, r), min(f, g), max(f, g), min(k, m), max(k, m)
        c, e, n, q, d, j = min(c, e), max(c, e), min(n, q), max(n, q), min(d, j), max(d, j)
        h, p = min(h, p), max(h, p)
        g, j, m, p, d, f = min(g, j), max(g, j), min(m, p), max(m, p), min(d, f), max(d, f)
        h, k = min(h, k), max(h, k)
        d, e, f, g, h, j = min(d, e), max(d, e), min(f, g), max(f, g), min(h, j), max(h, j)
        k, m, n, p = min(k, m), max(k, m), min(n, p), max(n, p)
        g, h, j, k = min(g, h), max(g, h), min(j, k), max(j, k)
        rows[i], rows[P + i], rows[2 * P + i], rows[3 * P + i] = a, b, c, d
        rows[4 * P + i], rows[5 * P + i], rows[6 * P + i], rows[7 * P + i] = e, f, g, h
        rows[8 * P + i], rows[9 * P + i], rows[10 * P + i], rows[11 * P + i] = j, k, m, n
        rows[12 * P + i], rows[13 * P + i], rows[14 * P + i], rows[15 * P + i] = p, q, r, s


@compiled
def merge_16(rows: NDArray[Any]) -> None:
    """Merge two sorted groups of 16 rows in place: 32 sorted rows.

    Parameters
    ----------
    rows : (32 * P,) array
        Row after row.
    """
    for i in range(P):
        a, b, c, d = rows[i], rows[P + i], rows[2 * P + i], rows[3 * P + i]
        e, f, g, h = rows[4 * P + i], rows[5 * P + i], rows[6 * P + i], rows[7 * P + i]
        j, k, m, n = rows[8 * P + i], rows[9 * P + i], rows[10 * P + i], rows[11 * P + i]
        p, q, r, s = rows[12 * P + i], rows[13 * P + i], rows[14 * P + i], rows[15 * P + i]
        t, u, v, w = rows[16 * P + i], rows[17 * P + i], rows[18 * P + i], rows[19 * P + i]
        x, y, z, A = rows[20 * P + i], rows[21 * P + i], rows[22 * P + i], rows[23 * P + i]
        B, C, D, E = rows[24 * P + i], rows[25 * P + i], rows[26 * P + i], rows[27 * P + i]
        F, G, H, J = rows[28 * P + i], rows[29 * P + i], rows[30 * P + i], rows[31 * P + i]
        a, t, j, B, e, x = min(a, t), max(a, t), min(j, B), max(j, B), min(e, x), max(e, x)
        p, F, c, v, m, D = min(p, F), max(p, F), min(c, v), max(c, v), min(m, D), max(m, D)
        g, z, r, H, b, u = min(g, z), max(g, z), min(r, H), max(r, H), min(b, u), max(b, u)
        k, C, f, y, q, G = min(k, C), max(k, C), min(f, y), max(f, y), min(q, G), max(q, G)
        d, w, n, E, h, A = min(d, w), max(d, w), min(n, E), max(n, E), min(h, A), max(h, A)
        s, J = min(s, J), max(s, J)
        j, t, p, x, m, v = min(j, t), max(j, t), min(p, x), max(p, x), min(m, v), max(m, v)
        r, z, k, u, q, y = min(r, z), max(r, z), min(k, u), max(k, u), min(q, y), max(q, y)
        n, w, s, A = min(n, w), max(n, w), min(s, A), max(s, A)
        e, j, p, t, x, B = min(e, j), max(e, j), min(p, t), max(p, t), min(x, B), max(x, B)
        g, m, r, v, z, D = min(g, m), max(g, m), min(r, v), max(r, v), min(z, D), max(z, D)
        f, k, q, u, y, C = min(f, k), max(f, k), min(q, u), max(q, u), min(y, C), max(y, C)
        h, n, s, w, A, E = min(h, n), max(h, n), min(s, w), max(s, w), min(A, E), max(A, E)
        c, e, g, j, m, p = min(c, e), max(c, e), min(g, j), max(g, j), min(m, p), max(m, p)
        r, t, v, x, z, B = min(r, t), max(r, t), min(v, x), max(v, x), min(z, B), max(z, B)
        D, F, d, f, h, k = min(D, F), max(D, F), min(d, f), max(d, f), min(h, k), max(h, k)
        n, q, s, u, w, y = min(n, q), max(n, q), min(s, u), max(s, u), min(w, y), max(w, y)
        A, C, E, G = min(A, C), max(A, C), min(E, G), max(E, G)
        b, c, d, e, f, g = min(b, c), max(b, c), min(d, e), max(d, e), min(f, g), max(f, g)
        h, j, k, m, n, p = min(h, j), max(h, j), min(k, m), max(k, m), min(n, p), max(n, p)
        q, r, s, t, u, v = min(q, r), max(q, r), min(s, t), max(s, t), min(u, v), max(u, v)
        w, x, y, z, A, B = min(w, x), max(w, x), min(y, z), max(y, z), min(A, B), max(A, B)
        C, D, E, F, G, H = min(C, D), max(C, D), min(E, F), max(E, F), min(G, H), max(G, H)
        rows[i], rows[P + i], rows[2 * P + i], rows[3 * P + i] = a, b, c, d
        rows[4 * P + i], rows[5 * P + i], rows[6 * P + i], rows[7 * P + i] = e, f, g, h
        rows[8 * P + i], rows[9 * P + i], rows[10 * P + i], rows[11 * P + i] = j, k, m, n
        rows[12 * P + i], rows[13 * P + i], rows[14 * P + i], rows[15 * P + i] = p, q, r, s
        rows[16 * P + i], rows[17 * P + i], rows[18 * P + i], rows[19 * P + i] = t, u, v, w
        rows[20 * P + i], rows[21 * P + i], rows[22 * P + i], rows[23 * P + i] = x, y, z, A
        rows[24 * P + i], rows[25 * P + i], rows[26 * P + i], rows[27 * P + i] = B, C, D, E
        rows[28 * P + i], rows[29 * P + i], rows[30 * P + i], rows[31 * P + i] = F, G, H, J
