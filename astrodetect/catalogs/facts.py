"""What a catalog holds, for machines."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np

from astrodetect.catalogs.overview import iso
from astrodetect.catalogs.pipelines import pipeline_name
from astrodetect.catalogs.reader import Catalog


def facts(catalog: Catalog) -> dict[str, Any]:
    """Give what ``catalog show`` says, as plain values.

    Parameters
    ----------
    catalog : Catalog
        Open.

    Returns
    -------
    dict
        ``catalog``, ``unfinished``, ``notes``, ``pipeline``, ``command``, ``created``, ``versions``,
        ``recordings`` (number by status), ``frames``, ``time_first`` and ``time_last`` (ISO UTC, or
        None), ``detections`` (label: accepted, rejected), ``reasons`` (number by reason), ``failures``.
    """
    names = ("path", "status", "message", "n_frames", "time_start", "time_end")
    recordings = catalog.read_columns(names, "recordings")
    times = np.concatenate([recordings["time_start"], recordings["time_end"]])
    times = times[np.isfinite(times)]
    found = catalog.read_columns(["label", "accepted", "reason"])
    accepted = np.asarray(found["accepted"], dtype=bool)
    kept, left = (Counter(map(str, found["label"][rows])) for rows in (accepted, ~accepted))
    failed = np.flatnonzero(recordings["status"] == "failed").tolist()
    provenance = catalog.provenance
    return {
        "catalog": str(catalog.path),
        "unfinished": catalog.unfinished,
        "notes": catalog.notes,
        "pipeline": pipeline_name(provenance),
        "command": provenance.get("command", ""),
        "created": provenance.get("created", ""),
        "versions": json.loads(provenance.get("versions", "{}")),
        "recordings": dict(Counter(map(str, recordings["status"]))),
        "frames": int(np.maximum(recordings["n_frames"], 0).sum()),
        "time_first": iso(times.min()) if len(times) else None,
        "time_last": iso(times.max()) if len(times) else None,
        "detections": {
            label: {"accepted": kept[label], "rejected": left[label]} for label in sorted({*kept, *left})
        },
        "reasons": dict(Counter(map(str, found["reason"][~accepted]))),
        "failures": [
            {"path": str(recordings["path"][i]), "message": str(recordings["message"][i])} for i in failed
        ],
    }
