"""The page around the sections: summary of the run, night's table, recordings, provenance."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from astrodetect.catalogs.pipelines import pipeline_name
from astrodetect.catalogs.reader import Catalog
from astrodetect.report.controls import controls, review_panel
from astrodetect.report.markup import UNKNOWN, count, grouped, lines, number, sort_key, text, when
from astrodetect.report.night import Night, versions_of
from astrodetect.report.rows import OF_THE_NIGHT, table
from astrodetect.report.settings import ReportSettings


def page(catalog: Catalog, night: Night, sections: Sequence[str], mark: str, settings: ReportSettings) -> str:
    """Give the whole page.

    Parameters
    ----------
    catalog : Catalog
        Open; for provenance and name.
    night : Night
        What the run amounts to.
    sections : sequence of str
        HTML of the recordings.
    mark : str
        Element of the head by which a report is known again.
    settings : ReportSettings
        What was left out, and why.
    """
    style, *scripts = (files("astrodetect.report").joinpath(name).read_text("utf-8") for name in _ASSETS)
    script = "\n".join(scripts)
    title = f"Report of {text(catalog.path.name)}"
    recordings = "".join(sections) or "<p>No recording holds a detection.</p>\n"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"{mark}\n{_policy(script)}\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body{'' if night.n_accepted else ' class=show-rejected'}>\n"
        f'<a class="skip" href="#recordings">To the recordings</a>\n<header><h1>{title}</h1>\n'
        f"{_when_made(catalog, night)}</header>\n<main>\n"
        f"{''.join(_summary(catalog, night, settings))}{night.timeline.html()}{night.maps.html()}"
        f"{controls(night)}{_of_the_night(night)}"
        f'<h2 id="recordings" class="part">Recordings with detections</h2>\n{_hint(night)}{recordings}'
        f'<p id="none-shown" hidden>No detection meets the choice above.</p>\n'
        f"{_all_recordings(night)}{_provenance(catalog)}</main>\n{review_panel(catalog)}"
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


def _hint(night: Night) -> str:
    if not night.n_rejected_only:
        return ""
    return (
        f'<p class="hint">{count(night.n_rejected_only, "recording")} in which nothing was accepted'
        ": shown with the rejected detections.</p>\n"
    )


_ASSETS = ("report.css", "report.js", "review.js")


def _policy(script: str) -> str:
    """Nothing is loaded but pictures beside the page, and no script runs but ours."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    return f'<meta http-equiv="Content-Security-Policy" content="{policy}">'


def _when_made(catalog: Catalog, night: Night) -> str:
    span = ""
    if night.time_first <= night.time_last:
        span = f"Recorded {when(night.time_first)} to {when(night.time_last)} UTC. "
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    created = text(catalog.provenance.get("created", "") or "at an unknown time")
    return f"<p>{span}Catalog of {created}, report of {made} UTC.</p>\n"


def _summary(catalog: Catalog, night: Night, settings: ReportSettings) -> Iterator[str]:
    yield '<section class="summary" aria-labelledby="summary"><h2 id="summary">Summary</h2>\n'
    if catalog.unfinished:
        yield '<p class="warn">Unfinished: a run is writing this catalog, or was broken off.</p>\n'
    yield from (f'<p class="warn">Journal: {text(note)}</p>\n' for note in catalog.notes)
    yield _figures(night)
    why = night.why_nothing()
    if why:
        yield '<div class="warn"><p><strong>Nothing was accepted.</strong> Why:</p><ul>'
        yield "".join(f"<li>{text(line)}</li>" for line in why) + "</ul></div>\n"
    yield _labels(night)
    yield _stages(night)
    yield _troubles(night)
    yield _left_out(night, settings)
    yield "</section>\n"


def _figures(night: Night) -> str:
    statuses = ", ".join(f"{n} {text(status)}" for status, n in sorted(night.summary.statuses.items()))
    figures = [
        (grouped(night.n_accepted), "accepted"),
        (grouped(night.n_rejected), "rejected"),
        (grouped(night.summary.n_recordings), f"recordings{f': {statuses}' if statuses else ''}"),
        (grouped(night.summary.n_frames), "frames"),
    ]
    cells = "".join(f"<div><dd>{value}</dd><dt>{name}</dt></div>" for value, name in figures)
    return f'<dl class="figures">{cells}</dl>\n' + _camera(night)


def _camera(night: Night) -> str:
    if not night.camera["detections"]:
        return ""
    return (
        f"<p>The cameras\u2019 own software had {count(night.camera['detections'], 'detection')}. "
        f"Recordings with a detection: {night.camera['both']} by both, "
        f"{night.camera['camera']} by the camera and none accepted here, "
        f"{night.camera['ours']} accepted here only.</p>\n"
    )


def _labels(night: Night) -> str:
    summary = night.summary
    if not summary.labels:
        return ""
    labels = sorted(summary.labels, key=lambda label: (-summary.accepted[label], -summary.labels[label]))
    rows = "".join(
        f'<tr><th scope="row">{text(label)}</th><td>{summary.accepted[label]}</td>'
        f"<td>{summary.labels[label] - summary.accepted[label]}</td></tr>"
        for label in labels
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Label", "Accepted", "Rejected"))
    reasons = "".join(
        f"<li>{text(reason) or 'no reason given'}: {n}</li>" for reason, n in summary.reasons.most_common(20)
    )
    why = f"<div><h3>Rejected because</h3><ul>{reasons}</ul></div>" if reasons and night.n_accepted else ""
    return (
        f'<div class="beside"><table><caption>Detections by label</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table>{why}</div>\n"
    )


def _stages(night: Night) -> str:
    summary = night.summary
    steps = ("cells", "candidates", "found in windows", "detections", "accepted")
    funnel = [f"{summary.counts[step]} {step}" for step in steps if step in summary.counts]
    parts = []
    if funnel:
        parts.append("From region to detection: " + " \u2192 ".join(funnel) + ".")
    if summary.seconds:
        slowest = sorted(summary.seconds.items(), key=lambda item: -item[1])
        times = ", ".join(f"{text(name)} {number(s, 2)} s" for name, s in slowest)
        parts.append(f"Time by stage: {times}.")
    return f"<p>{' '.join(parts)}</p>\n" if parts else ""


def _troubles(night: Night) -> str:
    if not night.n_troubles:
        return ""
    order = {"failed": 0, "partial": 1}
    listed = sorted(night.troubles, key=lambda trouble: order.get(trouble[0], 2))
    items = "".join(
        f'<li class="{"failed" if status == "failed" else ""}"><strong>{text(status)}</strong> '
        f"{_message(path, message)}</li>"
        for status, path, message in listed
    )
    more = night.n_troubles - len(listed)
    if more > 0:
        items += f"<li>and {count(more, 'recording')} more with warnings</li>"
    failed = night.summary.statuses["failed"]
    heading = f"{count(failed, 'failure')}, {count(night.n_troubles - failed, 'recording')} with warnings"
    opened = " open" if night.n_troubles <= 10 else ""
    return f"<details{opened}><summary>{heading}</summary><ul>{items}</ul></details>\n"


def _message(path: str, message: str) -> str:
    """Name the recording, unless the message does."""
    return text(message) if path in message else f"{text(path)}: {text(message) or 'no message'}"


def _left_out(night: Night, settings: ReportSettings) -> str:
    said = []
    if night.n_undrawn:
        said.append(
            f"{count(night.n_undrawn, 'recording')} without an accepted detection "
            f"{'has' if night.n_undrawn == 1 else 'have'} no section: of those, only the first "
            f"{settings.candidates} are shown (--candidates)."
        )
    if night.n_rejected_left_out:
        said.append(
            f"{count(night.n_rejected_left_out, 'rejected detection')} left out: at most "
            f"{settings.rejected} per recording are shown (--rejected), static and noise last."
        )
    if night.n_accepted > len(night.accepted):
        said.append(
            f"The table of accepted detections ends after {len(night.accepted)} of {night.n_accepted}; "
            "the sections below have all of them."
        )
    for reason, paths in night.missing.items():
        names = ", ".join(text(path) for path in paths[:20])
        more = f" and {len(paths) - 20} more" if len(paths) > 20 else ""
        said.append(f"No picture of {count(len(paths), 'recording')}, {text(reason)}: {names}{more}.")
    items = "".join(f"<li>{line}</li>" for line in said)
    return f'<div class="left-out"><h3>Not in this report</h3><ul>{items}</ul></div>\n' if said else ""


def _of_the_night(night: Night) -> str:
    listed = night.listed
    if not listed:
        return ""
    caption = f"{count(night.n_accepted, 'accepted detection')} of all recordings"
    if len(night.accepted) < night.n_accepted:
        caption += f"; the first {grouped(len(night.accepted))} are listed"
    n_rejected = len(listed) - len(night.accepted)
    if n_rejected:
        caption += (
            f'<span class="rejected-only">; {count(n_rejected, "rejected one")}, without static and noise'
            f"{'' if n_rejected == len(night.rejected) else ', the first of them'}</span>"
        )
    columns = [name for name in OF_THE_NIGHT if name != "Camera" or len(night.cameras) > 1]
    return (
        '<section aria-labelledby="all"><h2 id="all" class="part">All detections</h2>\n'
        f"{table(listed, caption, night.section_of, columns)}</section>\n"
    )


def _all_recordings(night: Night) -> str:
    if not night.rows:
        return ""
    names = ("Recording", "Camera", "Start (UTC)", "Frames", "Status", "Accepted", "Detections", "Message")
    head = "".join(f'<th scope="col"><button type="button">{name}</button></th>' for name in names)
    body = "\n".join(_recording(row, night.anchors.get(int(row["recording_id"]))) for row in night.rows)
    n = night.summary.n_recordings
    more = f"; the first {len(night.rows)} are listed" if n > len(night.rows) else ""
    return (
        f"<details><summary>All {count(n, 'recording')}{more}</summary>\n"
        '<div class="scroll"><table class="sortable"><caption>Recordings of the catalog</caption>'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div></details>\n"
    )


def _recording(row: dict[str, Any], anchor: str | None) -> str:
    path, start = text(row["path"]), float(row.get("time_start", float("nan")))
    cells = [
        (sort_key(text(row.get("camera", ""))), text(row.get("camera", "")) or "\u2013"),
        (sort_key(start), when(start)),
        *((sort_key(n), str(n)) for n in (int(row.get("n_frames", 0)),)),
        ("", text(row.get("status", ""))),
        *((sort_key(n), str(n)) for n in (int(row.get(k, 0)) for k in ("n_accepted", "n_detections"))),
        ("", text(row.get("message", ""))),
    ]
    link = f'<a href="#{anchor}">{path}</a>' if anchor else path
    inner = "".join(f"<td{key}>{content}</td>" for key, content in cells)
    return f'<tr><th scope="row" data-sort="{path}">{link}</th>{inner}</tr>'


def _provenance(catalog: Catalog) -> str:
    provenance = catalog.provenance
    versions = ", ".join(f"{text(name)} {text(version)}" for name, version in versions_of(provenance))
    facts = [
        ("Pipeline", text(pipeline_name(provenance))),
        ("Command", f"<code>{text(provenance.get('command', ''))}</code>"),
        ("Created", text(provenance.get("created", ""))),
        ("Versions", versions),
        ("Catalog", text(catalog.path.absolute())),
    ]
    cells = "".join(f"<dt>{name}</dt><dd>{value or UNKNOWN}</dd>" for name, value in facts)
    runs = _runs(provenance.get("history", "[]"))
    return (
        '<section aria-labelledby="made"><h2 id="made" class="part">How it was made</h2>\n'
        f'<dl class="provenance">{cells}</dl>\n<details><summary>Pipeline file</summary>'
        f'<pre tabindex="0">{lines(provenance.get("pipeline", ""))}</pre></details>\n{runs}</section>\n'
    )


def _runs(history: str) -> str:
    try:
        runs = json.loads(history)
    except ValueError:
        return ""
    if not isinstance(runs, list) or len(runs) < 2:
        return ""
    items = "".join(
        f"<li>{text(run.get('created', ''))}: <code>{text(run.get('command', ''))}</code></li>"
        for run in runs
        if isinstance(run, dict)
    )
    return f"<details><summary>{len(runs)} runs made this catalog</summary><ul>{items}</ul></details>\n"
