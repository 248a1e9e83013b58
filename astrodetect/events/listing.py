"""Events as lines of text, and as JSON."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator

from astrodetect.core.printing import printable
from astrodetect.events.search import Found, by_time_alone
from astrodetect.events.writing import event_names, events_table
from astrodetect.exchange.text import iso_text


def summary_lines(found: Found, n_files: int) -> Iterator[str]:
    """Say what was read and found, and what could not be compared."""
    cameras = {s.camera for s in found.sightings}
    yield (
        f"{len(found.sightings)} detections of {len(cameras)} cameras in {n_files} files: "
        f"{len(found.events)} meteors seen by two cameras or more"
    )
    worked_out = sorted({s.camera for s in found.sightings if s.site_source == "worked out"})
    if worked_out:
        yield f"site worked out from the positions, elevation taken as 0 m: {printable(' '.join(worked_out))}"
    for reason, names in by_time_alone(found).items():
        yield f"paired by time alone, {reason}: {printable(' '.join(names))}"


def event_lines(found: Found) -> Iterator[str]:
    """Give two lines per event: what it is, and who saw it, with what its clock is off by."""
    for name, event, path, shower in zip(
        event_names(found), found.events, found.trajectories, found.event_showers, strict=True
    ):
        parts = [name, f"{len(found.cameras(event))} cameras", f"{event.pairs} pairs", shower or "-"]
        if math.isfinite(path.speed):
            parts += [f"{path.begin[2]:.1f} to {path.end[2]:.1f} km", f"{path.speed:.1f} km/s",
                      f"radiant {path.ra:.1f} {path.dec:+.1f}"]  # fmt: skip
        elif event.by_time_only:
            parts.append("by time alone")
        yield "  ".join(parts)
        for sighting, clock in zip(found.members(event), path.clocks, strict=True):
            ahead = f"  clock {clock:+.2f} s" if math.isfinite(clock) else ""
            yield printable(
                f"    {sighting.camera:10} {iso_text(sighting.begin, 3)}  {sighting.recording}{ahead}"
            )


def shower_lines(found: Found) -> Iterator[str]:
    """Give one line per detection with its shower, and how many there are of each."""
    for sighting, shower in zip(found.sightings, found.showers, strict=True):
        yield printable(
            f"{shower or '-':4} {iso_text(sighting.begin, 3)}  {sighting.camera:10} {sighting.recording}"
        )
    counts = Counter(shower or "unknown" for shower in found.showers)
    yield ", ".join(f"{code} {count}" for code, count in counts.most_common())


def to_json(found: Found) -> str:
    """Give the table of events, with their sightings, as JSON; what is not known is null."""
    table = events_table(found)
    rows = []
    for row, event in zip(table, found.events, strict=True):
        values = {name: _plain(row[name]) for name in table.colnames}
        values["cameras"] = found.cameras(event)
        values["sightings"] = [
            {"camera": s.camera, "catalog": s.catalog, "recording": s.recording, "number": s.number,
             "time_start": s.begin, "time_end": s.end} for s in found.members(event)
        ]  # fmt: skip
        rows.append(values)
    return json.dumps(rows, indent=1, allow_nan=False)


def _plain(value: object) -> object:
    plain = getattr(value, "value", value)
    plain = plain.item() if hasattr(plain, "item") else plain
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain
