"""Star fields as a camera of known lens, site and brightness would see them."""

from dataclasses import replace

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time

from astrodetect.core.data import Site
from astrodetect.sky.catalogue import StarCatalogue, planets_at
from astrodetect.sky.frames import angles, to_horizon, vectors
from astrodetect.sky.lens import AllSkyLens

SHAPE = (480, 640)
SITE = Site(46.0, 7.5, 1200.0)
NIGHT = Time("2024-03-08T22:00:00").unix
ZERO_POINT = 13.0
EXTINCTION = 0.25
LENS = AllSkyLens(
    projection="odd-polynomial", coefficients=(155.0, 0.03, 0.005), x_centre=331.3, y_centre=236.8,
    rotation=205.0, tilt_north=0.8, tilt_east=-0.5, shape=SHAPE, site=SITE,
)  # fmt: skip


def sky(n=2600, seed=1):
    """Random stars over the whole sky, as many of each magnitude as there are, up to about 6."""
    rng = np.random.default_rng(seed)
    magnitude = np.sort(6.2 + np.log10(rng.uniform(size=n)) / 0.51)
    ra, dec = rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    zero = np.zeros(n)
    return StarCatalogue(ra, dec, magnitude, zero, zero, np.asarray([f"S{k}" for k in range(n)]))


def write_catalogue(path, stars, **columns):
    table = Table({"ra": stars.ra, "dec": stars.dec, "v_mag": stars.magnitude} | columns)
    for name in ("ra", "dec"):
        table[name].unit = "deg"
    table.write(path)
    return path


def draw(camera, stars, time, *, seed=0, clouds=False, extra=(), fwhm=2.3, shape=SHAPE, mirrored=False):
    """Give a frame (uint16): stars, sky glow, noise, a lamp, hot pixels, and `extra` (x, y, flux)."""
    rng = np.random.default_rng(seed)
    ra, dec = stars.at(time)
    alt = angles(to_horizon(vectors(ra, dec), np.full(len(ra), time), camera.site))[1]
    x, y = camera.sky_to_pixel(ra, dec, time)
    mass = 1 / np.maximum(np.sin(np.radians(alt)), 0.05)
    flux = 10 ** (0.4 * (ZERO_POINT - stars.magnitude - EXTINCTION * mass))
    seen = np.isfinite(x) & np.isfinite(y) & (alt > 3)
    if clouds:
        seen &= x > shape[1] / 3
    points = [*zip(x[seen], y[seen], flux[seen], strict=True), *extra]
    image = rng.normal(300.0, 6.0, shape)
    yy, xx = np.mgrid[-8:9, -8:9]
    sigma = fwhm / 2.3548
    for px, py, light in points:
        column, row = round(px), round(py)
        if 8 <= column < shape[1] - 8 and 8 <= row < shape[0] - 8:
            spot = np.exp(-((xx - (px - column)) ** 2 + (yy - (py - row)) ** 2) / (2 * sigma**2))
            image[row - 8 : row + 9, column - 8 : column + 9] += light * spot / (2 * np.pi * sigma**2)
    image[40:52, 90:110] = 70000  # a lamp
    image[rng.integers(0, shape[0], 30), rng.integers(0, shape[1], 30)] += 3000  # hot pixels
    image = image[:, ::-1] if mirrored else image
    return np.clip(np.rint(image), 0, 65535).astype(np.uint16)


def jupiter(camera, time, flux=40000.0):
    """Give (x, y, flux) of Jupiter."""
    names, ra, dec = planets_at(time)
    k = names.index("jupiter")
    x, y = camera.sky_to_pixel(ra[k], dec[k], time)
    return float(x[0]), float(y[0]), flux


def write_frame(path, image, time, **cards):
    """Write a FITS image of a second's exposure that begins half a second before `time`."""
    header = fits.Header({"DATE-OBS": Time(time - 0.5, format="unix").isot, "EXPTIME": 1.0, **cards})
    fits.PrimaryHDU(image, header).writeto(path)
    return path


def largest_difference(one, other, lowest=15.0):
    """Give the largest distance (px) between what two calibrations make of the sky above an altitude."""
    az, alt = np.meshgrid(np.arange(0, 360, 10.0), np.arange(lowest, 90, 5.0))
    x, y = one.horizon_to_pixel(az.ravel(), alt.ravel(), NIGHT)
    u, v = other.horizon_to_pixel(az.ravel(), alt.ravel(), NIGHT)
    height, width = one.shape
    inside = (x > 0) & (x < width) & (y > 0) & (y < height)
    return float(np.max(np.hypot(x - u, y - v)[inside]))


def moved(camera, **changes):
    return replace(camera, **changes)
