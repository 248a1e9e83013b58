"""Write the report of a catalog."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from astrodetect.catalogs.reader import Catalog
from astrodetect.core.data import Recording, same_files
from astrodetect.core.detections import Detections
from astrodetect.core.errors import AstrodetectError, StoppedError
from astrodetect.core.results import RecordingBlock
from astrodetect.report.clips import save_clip
from astrodetect.report.folder import ReportFolder, default_folder, told
from astrodetect.report.night import Night
from astrodetect.report.page import page
from astrodetect.report.patches import PatchMaker, Sheet
from astrodetect.report.pictures import Projection, project
from astrodetect.report.reasons import Explainer, Reason
from astrodetect.report.reopen import Archive
from astrodetect.report.sections import Chosen, Drawn, Picture, choose, section, shown_of
from astrodetect.report.settings import ReportSettings
from astrodetect.report.stretch import Floats, save_picture, save_thumbnail


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes
    ----------
    page : Path
        ``index.html``.
    n_sections, n_pictures : int
        Recordings shown, and those of them with a picture.
    missing : dict of str to list of str
        Paths of recordings without a picture, by reason.
    """

    page: Path
    n_sections: int
    n_pictures: int
    missing: dict[str, list[str]] = field(default_factory=dict)


def write_report(
    catalog: Path | str,
    out: Path | str | None = None,
    settings: ReportSettings | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Written:
    """Write the report of a catalog, finished or not.

    One recording at a time is in memory. The page comes last and in one step: what was there stays
    until then.

    Parameters
    ----------
    catalog : path
        ``night.h5``.
    out : path, optional
        Folder, made if needed; by default ``night-report`` beside the catalog. One that holds
        anything but a report is refused.
    settings : ReportSettings, optional
        How much is shown.
    progress : callable, optional
        Gets the number of recordings done and of all.

    Raises
    ------
    AstrodetectError
        There is no catalog, or the folder cannot be used.
    StoppedError
        The disk is full.
    """
    settings = ReportSettings() if settings is None else settings
    path = Path(catalog)
    with Catalog(path) as opened:
        total = len(opened.read_columns(["path"], "recordings")["path"])
        folder = ReportFolder(default_folder(path) if out is None else Path(out))
        making = _Making(folder, settings, opened.provenance.get("pipeline", ""))
        for done, block in enumerate(opened.blocks(), 1):
            making.add(block)
            if progress is not None:
                progress(done, total)
        written = folder.finish(page(opened, making.night, making.sections, folder.mark, settings))
    return Written(written, making.night.n_sections, making.n_pictures, making.night.missing)


class _Making:
    """The report as recordings are added to it."""

    def __init__(self, folder: ReportFolder, settings: ReportSettings, pipeline: str) -> None:
        self.folder, self.settings = folder, settings
        self.archive = Archive(pipeline, settings.root)
        self.patches = PatchMaker(pipeline) if settings.patches else None
        self.explainer = Explainer(pipeline, settings.explain)
        self.night = Night(most_rows=settings.recordings, most_accepted=settings.accepted)
        self.sections: list[str] = []
        self.n_candidates = 0
        self.n_pictures = 0

    def add(self, block: RecordingBlock) -> None:
        self.night.add(block)
        if not len(block.detections) and (block.camera is None or not len(block.camera)):
            return
        chosen = choose(block, self.settings.rejected)
        if not chosen.n_accepted:
            self.n_candidates += 1
            if self.n_candidates > self.settings.candidates:
                self.night.n_undrawn += 1
                return
        number = self.night.n_sections + 1
        anchor = f"r{number}"
        drawn, missing = self._draw(block, chosen, self.folder.pictures / f"{number:04d}")
        shown = shown_of(chosen, anchor, drawn)
        self.night.add_section(block, anchor, shown, chosen.n_left_out)
        self.sections.append(section(block, anchor, chosen, shown, drawn, missing))

    def _draw(self, block: RecordingBlock, chosen: Chosen, stem: Path) -> tuple[Drawn | None, str]:
        """Give the picture of a recording, or why there is none."""
        try:
            source, recording = self.archive.find(block.recording)
            accepted = [i for i, kind in enumerate(chosen.kinds) if kind == "accepted"]
            projection = project(source, recording, chosen.found, accepted, self.settings.clips)
        except AstrodetectError as error:
            kind = "because its files are not where they were" if "not there any more" in str(error) else (
                "because it could not be read again"
            )  # fmt: skip
            self.night.missing.setdefault(kind, []).append(block.path)
            return None, f"No picture: {error}"
        except Exception as error:  # whatever a source of others raises costs a picture, not the page
            self.night.missing.setdefault("because reading it failed", []).append(block.path)
            return None, f"No picture: {type(error).__name__}: {error}"
        note = projection.note
        if not same_files(recording.fingerprint, str(block.recording.get("fingerprint"))):
            note = f"The files have changed since they were searched. {note}".strip()
        with told(self.folder.path):
            drawn = self._save(projection, stem, note)
            sheets, reasons = self._again(recording, block, chosen.found, accepted, stem)
        self.n_pictures += 1
        return replace(drawn, sheets=sheets, reasons=reasons), ""

    def _again(
        self, recording: Recording, block: RecordingBlock, found: Detections, rows: list[int], stem: Path
    ) -> tuple[Sequence[Sheet], Sequence[Reason]]:
        """Go through the pipeline again for accepted detections; what fails costs no other picture."""
        sheets: Sequence[Sheet] = ()
        reasons: Sequence[Reason] = ()
        try:
            source, _ = self.archive.find(block.recording)
            if self.patches is not None:
                sheets = self.patches.sheets(source, recording, found, rows, stem)
            reasons = self.explainer.pictures(source, recording, found, rows, stem)
        except (OSError, StoppedError):
            raise
        except Exception as error:
            name = f"because the pipeline could not be gone through again ({type(error).__name__})"
            self.night.missing.setdefault(name, []).append(block.path)
        return sheets, reasons

    def _save(self, projection: Projection, stem: Path, note: str) -> Drawn:
        folder = self.folder.pictures.name

        def picture(image: Floats, stem: Path, first: int, last: int) -> Picture:
            name, width, height = save_picture(image, stem, self.settings.width)
            return Picture(f"{folder}/{name}", width, height, first, last)

        accepted, file = None, stem
        if projection.selected is not None:
            first, last = projection.selected_first, projection.selected_last
            accepted = picture(projection.selected, stem, first, last)
            file = stem.with_name(f"{stem.name}-all")
        whole = picture(projection.image, file, projection.first, projection.last)
        thumbnails: list[tuple[str, int, int] | None] = []
        for i, cutout in enumerate(projection.cutouts, 1):
            if cutout is None:
                thumbnails.append(None)
                continue
            name, width, height = save_thumbnail(cutout, stem.with_name(f"{stem.name}-{i}"))
            thumbnails.append((f"{folder}/{name}", width, height))
        shape = (projection.image.shape[0], projection.image.shape[1])
        clips = {}
        for i, clip in projection.clips.items():
            name = save_clip(clip, stem.with_name(f"{stem.name}-{i + 1}-clip"), projection.frame_rate)
            if name:
                clips[i] = f"{folder}/{name}"
        return Drawn(whole, accepted, shape, note, thumbnails, clips)
