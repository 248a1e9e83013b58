"""The text of the kernels: what stands in the package, and the selection networks written for it."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

from astrodetect.methods.median_network import MINIMUM, selection_network

#: C type of a pixel by NumPy name.
PIXEL_TYPES = {"uint8": "unsigned char", "uint16": "unsigned short", "int16": "short"}
#: Most frames whose values are kept in registers: more would spill, and take long to compile.
LARGEST_NETWORK = 96


@lru_cache(maxsize=1)
def patches_source() -> str:
    """Give the text of the kernels that cut patches and carry gradients back."""
    return _text("patches.cu")


@lru_cache(maxsize=16)
def reduction_source(n_frames: int, pixel: str) -> str:
    """Give the text of the kernels that reduce a window.

    Parameters
    ----------
    n_frames : int
        Number of frames T.
    pixel : str
        Type of a pixel, of `PIXEL_TYPES`.

    Returns
    -------
    str
        Up to `LARGEST_NETWORK` frames there is a kernel ``network_<pixel>_<T>`` for this number;
        ``count_<pixel>`` serves any.
    """
    text = _text("reduction.cu")
    return text if n_frames > LARGEST_NETWORK else text + median_network_source(n_frames, pixel)


def median_network_source(n_frames: int, pixel: str) -> str:
    """Write the selection of the median of T values in registers, and the kernel that uses it.

    Examples
    --------
    >>> print(median_network_source(2, "uint8"))
    <BLANKLINE>
    struct Median2 {
        static constexpr int n_frames = 2;
        static __device__ __forceinline__ void select(const int (&v)[2], int &low, int &high) {
            const int a0 = min(v[0], v[1]);
            const int a1 = max(v[0], v[1]);
            low = a0;
            high = a1;
        }
    };
    <BLANKLINE>
    REDUCTION(network_uint8_2, reduce_by_network<unsigned char, Median2>)
    <BLANKLINE>
    """
    odd = n_frames % 2 == 1
    network = selection_network(n_frames, ("low",) if odd else ("low", "high"))
    names = {slot: f"v[{slot}]" for slot in range(n_frames)}
    lines = []
    for number, (kind, a, b, result) in enumerate(network.steps):
        function = "min" if kind == MINIMUM else "max"
        lines.append(f"const int a{number} = {function}({names[a]}, {names[b]});")
        names[result] = f"a{number}"
    low = names[network.outputs["low"]]
    lines += [f"low = {low};", f"high = {low if odd else names[network.outputs['high']]};"]
    body = "\n".join(f"        {line}" for line in lines)
    kernel = f"network_{pixel}_{n_frames}, reduce_by_network<{PIXEL_TYPES[pixel]}, Median{n_frames}>"
    return (
        f"\nstruct Median{n_frames} {{\n"
        f"    static constexpr int n_frames = {n_frames};\n"
        f"    static __device__ __forceinline__ void select"
        f"(const int (&v)[{n_frames}], int &low, int &high) {{\n"
        f"{body}\n    }}\n}};\n\nREDUCTION({kernel})\n"
    )


def _text(name: str) -> str:
    return files("astrodetect.cuda").joinpath(name).read_text(encoding="utf-8")
