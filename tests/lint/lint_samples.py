"""Right files of both formats, made from a meteor over a camera whose pointing is known."""

import math
from dataclasses import dataclass, field

import numpy as np

from astrodetect.core.data import Site
from astrodetect.events.directions import earth_to_celestial, horizontal_to_earth, separation
from astrodetect.exchange.text import iso_text, iso_time
from astrodetect.sky.frames import vectors

SITE = Site(51.883123, -1.306161, 80.0)
START = iso_time("2023-04-21T21:22:24.982")
WIDTH, HEIGHT = 1280, 720
CENTRE = (237.0, 41.0)
SCALE = 14.4  # px/deg


def pixels(az, alt):
    """Where an upright camera without distortion sees a place: x, and y from the top."""
    there, centre = vectors(az, alt), vectors(*CENTRE)
    east = vectors(CENTRE[0] + 90.0, 0.0)
    up = np.cross(centre, east)
    distance = separation(there, np.broadcast_to(centre, there.shape)) * SCALE
    angle = np.arctan2(there @ east, there @ up)
    return WIDTH / 2 + distance * np.sin(angle), HEIGHT / 2 - distance * np.cos(angle)


def track(az=(222.0, 224.0), alt=(58.0, 49.0), n=12, start=START + 2.4, rate=25.0):
    """A straight track in azimuth and altitude; columns as in GFE."""
    ends = vectors(np.array(az), np.array(alt))
    way = np.linspace(0, 1, n)[:, None]
    middle = ends[0] * (1 - way) + ends[1] * way
    azimuth = np.degrees(np.arctan2(middle[:, 1], middle[:, 0])) % 360
    altitude = np.degrees(np.arcsin(middle[:, 2] / np.linalg.norm(middle, axis=1)))
    time = start + np.arange(n) / rate
    ra, dec = earth_to_celestial(horizontal_to_earth(azimuth, altitude, SITE), time)
    x, y = pixels(azimuth, altitude)
    return {"time": time, "ra": ra, "dec": dec, "azimuth": azimuth, "altitude": altitude, "x_image": x,
            "y_image": y, "mag_data": np.linspace(2, 1, n)}  # fmt: skip


def right_meta():
    return {
        "obs_latitude": f"{SITE.latitude:.6f}", "obs_longitude": f"{SITE.longitude:.6f}",
        "obs_elevation": "80.0", "origin": "'test'", "camera_id": "'UK0006'", "cx": str(WIDTH),
        "cy": str(HEIGHT), "frame_rate": "25.0",
        "isodate_start_obs": f"'{iso_text(START)}'", "mag_label": "'mag_data'", "obs_az": str(CENTRE[0]),
        "obs_ev": str(CENTRE[1]), "obs_rot": "0.0", "fov_horiz": str(WIDTH / SCALE),
        "fov_vert": str(HEIGHT / SCALE),
    }  # fmt: skip


UNITS = {"datetime": "", "ra": "deg", "dec": "deg", "azimuth": "deg", "altitude": "deg", "x_image": "pix",
         "y_image": "pix", "mag_data": "mag"}  # fmt: skip


@dataclass
class Gfe:
    """A GFE file in the making: change what should be wrong, then `text`."""

    columns: dict = field(default_factory=track)
    meta: dict = field(default_factory=right_meta)
    units: dict = field(default_factory=lambda: dict(UNITS))
    delimiter: str = ","
    first: str = "# %ECSV 0.9"

    def text(self):
        time = self.columns["time"]
        cells = {"datetime": [iso_text(t) if math.isfinite(t) else "" for t in time]}
        for name, values in self.columns.items():
            if name != "time":
                cells[name] = [f"{v:.6f}" if isinstance(v, float) else str(v) for v in values]
        lines = [self.first, "# ---", "# datatype:"]
        for name, unit in self.units.items():
            kind = "string" if name == "datetime" else "float64"
            lines.append(
                f"# - {{name: {name}, " + (f"unit: {unit}, " if unit else "") + f"datatype: {kind}}}"
            )
        lines += [f"# delimiter: '{self.delimiter}'", "# meta: !!omap"]
        lines += [f"# - {{{key}: {value}}}" for key, value in self.meta.items()]
        lines += ["# schema: astropy-2.0", self.delimiter.join(cells)]
        lines += [self.delimiter.join(row) for row in zip(*cells.values(), strict=True)]
        return "\n".join(lines) + "\n"


TRACKS = (
    track(),
    track(az=(262.0, 268.0), alt=(52.0, 36.0), start=START + 900, n=15),
    track(az=(214.0, 204.0), alt=(30.0, 22.0), start=START + 2000, n=9),
)


def ff_name(start, counter):
    stamp = iso_text(start, 3).replace("-", "").replace(":", "").replace("T", "_").replace(".", "_")
    return f"FF_UK0006_{stamp}_{counter:07d}.fits"


def ftp(tracks=TRACKS, *, rate=25.0, wide=False):
    """The text of an FTPdetectinfo file of several meteors."""
    head = [
        f"Meteor Count = {len(tracks):06d}", "-" * 53, "Processed with RMS 1.0", "-" * 53,
        "FF  folder = night", "CAL folder = night", "-" * 53, "FF  file processed", "CAL file processed",
        "Cam# Meteor# #Segments fps hnr mle bin Pix/fm Rho Phi",
        "Per segment:  Frame# Col Row RA Dec Azim Elev Inten Mag" + " Bcknd SNR NSatPx" * wide,
    ]  # fmt: skip
    for number, columns in enumerate(tracks, 1):
        time = columns["time"]
        # The counter starts with the camera; the file begins some frames before the meteor.
        start = round((float(time.min()) - 2.0) * 1000) / 1000
        counter = round((start - START + 100) * 25.0)
        head += ["-" * 55, ff_name(start, counter), "Recalibrated with RMS on: 2023-04-22 04:25:35 UTC"]
        head.append(f"UK0006 {number:04d} {len(time):04d} {rate:07.2f} 000.0 000.0  00.0 008.3 0229.2 -164.5")
        for i in range(len(time)):
            c = {name: float(values[i]) for name, values in columns.items()}
            row = (f"{(c['time'] - start) * rate:.4f} {c['x_image']:07.2f} {c['y_image']:07.2f} "
                   f"{c['ra']:010.6f} {c['dec']:+010.6f} {c['azimuth']:010.6f} "
                   f"{c['altitude']:+010.6f} 001066 {c['mag_data']:.2f}")  # fmt: skip
            head.append(row + " 000050 12.30 000000" * wide)
    return "\n".join(head) + "\n"
