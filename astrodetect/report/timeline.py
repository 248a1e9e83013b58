"""The night of each camera as a line: when it recorded, and what was accepted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from astrodetect.report.markup import count, text
from astrodetect.report.palette import colour_class
from astrodetect.report.rows import Shown

#: A pause of this length (s) ends a night; nights beyond the number are left out, the emptiest first.
_PAUSE, _MOST_NIGHTS = 6 * 3600.0, 60
#: Units of the drawing: width of the axis, space for names, height of a line.
_WIDTH, _NAME, _LINE = 1000.0, 130.0, 26.0
#: Steps between marks of the axis (s).
_STEPS = (1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)


@dataclass
class Timeline:
    """Recorded spans and accepted detections of each camera, added up recording by recording."""

    spans: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    events: dict[str, list[tuple[float, Shown]]] = field(default_factory=dict)

    def add_recording(self, camera: str, start: float, end: float) -> None:
        """Add what a camera recorded; nothing if the time is not known."""
        if math.isfinite(start) and math.isfinite(end):
            self.spans.setdefault(camera, []).append((start, max(start, end)))

    def add_detection(self, camera: str, shown: Shown) -> None:
        """Add an accepted detection; nothing if its time is not known."""
        moment = shown.value("time_start")
        if math.isfinite(moment):
            self.events.setdefault(camera, []).append((moment, shown))

    def html(self) -> str:
        """Give a drawing per night, the empty string if no time is known."""
        nights = self._nights()
        kept = sorted(sorted(nights, key=lambda night: -self._n_events(*night))[:_MOST_NIGHTS])
        drawn = "".join(self._night(first, last) for first, last in kept)
        if not drawn:
            return ""
        left = len(nights) - len(kept)
        more = f"<p>{count(left, 'night')} with fewer detections left out.</p>\n" if left else ""
        return (
            '<section aria-labelledby="timeline"><h2 id="timeline" class="part">Timeline</h2>\n'
            f"{drawn}{more}</section>\n"
        )

    def _nights(self) -> list[tuple[float, float]]:
        """Give begin and end of each stretch without a long pause, of all cameras together."""
        nights: list[tuple[float, float]] = []
        for start, end in sorted(span for spans in self.spans.values() for span in spans):
            if nights and start - nights[-1][1] < _PAUSE:
                nights[-1] = (nights[-1][0], max(nights[-1][1], end))
            else:
                nights.append((start, end))
        return nights

    def _n_events(self, first: float, last: float) -> int:
        return sum(first <= moment <= last for events in self.events.values() for moment, _ in events)

    def _night(self, first: float, last: float) -> str:
        length = max(last - first, 1.0)
        cameras = [
            name for name, spans in sorted(self.spans.items()) if any(first <= s <= last for s, _ in spans)
        ]
        lines = [self._line(name, i, first, length) for i, name in enumerate(cameras)]
        height = _LINE * len(cameras) + 22
        day = datetime.fromtimestamp(first, UTC).strftime("%Y-%m-%d")
        n_events = count(self._n_events(first, last), "accepted detection")
        said = f"{day}, {count(len(cameras), 'camera')}, {n_events}"
        return (
            f'<div class="scroll"><svg class="timeline" viewBox="0 0 {_NAME + _WIDTH + 20:.0f} {height:.0f}" '
            f'role="group" aria-label="Timeline of {said}"><title>{said}</title>'
            f'<text class="day" x="6" y="{height - 6:.0f}">{day}</text>'
            f"{''.join(_axis(first, length, height))}{''.join(lines)}</svg></div>\n"
        )

    def _line(self, camera: str, row: int, first: float, length: float) -> str:
        y = row * _LINE + _LINE / 2
        bars = "".join(
            f'<rect class="recorded" x="{_NAME + begin:.1f}" y="{y - 4:.1f}" '
            f'width="{max(end - begin, 1):.1f}" height="8"/>'
            for begin, end in _bars(np.array(self.spans[camera]), first, length)
        )
        dots = "".join(
            f'<a href="#{one.anchor}" data-label="{text(one.label)}">'
            f"<title>{text(one.label)} {datetime.fromtimestamp(moment, UTC):%H:%M:%S}</title>"
            f'<circle class="{colour_class(one.label)}" '
            f'cx="{_NAME + _WIDTH * (moment - first) / length:.1f}" cy="{y:.1f}" r="6"/></a>'
            for moment, one in self.events.get(camera, [])
            if first <= moment <= first + length
        )
        return f'<text x="6" y="{y + 5:.1f}">{text(camera)[:16] or "camera"}</text>{bars}{dots}'


def _bars(spans: NDArray[np.float64], first: float, length: float) -> Iterator[tuple[float, float]]:
    """Give the recorded stretches of a night in units of the drawing; what touches is one."""
    inside = spans[(spans[:, 1] >= first) & (spans[:, 0] <= first + length)]
    former: tuple[float, float] | None = None
    for start, end in sorted((_WIDTH * (np.clip(inside, first, first + length) - first) / length).tolist()):
        if former is not None and start - former[1] < 1:
            former = (former[0], max(former[1], end))
            continue
        if former is not None:
            yield former
        former = (start, end)
    if former is not None:
        yield former


def _axis(first: float, length: float, height: float) -> Iterator[str]:
    step = next((step for step in _STEPS if length / step <= 10), 86400 * math.ceil(length / 864000))
    form = "%H:%M:%S" if step < 60 else "%H:%M" if step < 86400 else "%m-%d"
    moment = math.ceil(first / step) * step
    while moment <= first + length:
        x = _NAME + _WIDTH * (moment - first) / length
        said = datetime.fromtimestamp(moment, UTC).strftime(form)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height - 20:.0f}"/>'
        yield f'<text class="tick" x="{x:.1f}" y="{height - 6:.0f}" text-anchor="middle">{said}</text>'
        moment += step
