"""A pipeline file, read and checked: which stages, with which settings."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from astrodetect.core import limits, registry, settings
from astrodetect.core.accepting import least_probability
from astrodetect.core.compose import ComposedDetector
from astrodetect.core.errors import AstrodetectError, ConfigurationError, PluginError
from astrodetect.core.stages import (
    CalibrationSource,
    Classifier,
    Detector,
    FrameSource,
    PatchExtractor,
    PatchSelector,
    Postprocessor,
    Preprocessor,
    RegionScorer,
    Stage,
    kind_of,
)
from astrodetect.core.tables import (
    AcceptSettings,
    CalibrateSettings,
    CatalogSettings,
    StationSettings,
    TileSettings,
    WindowSettings,
)
from astrodetect.core.tiling import Tiled, untiled


@dataclass(frozen=True)
class Plan:
    """A checked pipeline: stages built, nothing opened.

    Attributes
    ----------
    name : str
        File or built-in name, for messages.
    source : FrameSource or None
        None: found by looking at the input.
    inputs : tuple of Path
        From ``[source] path``.
    window, accept, stations, catalog, limits, calibrate
        The tables of those names.
    preprocessors, detector, postprocessors
        Stages.
    source_name : str
        Entry-point name of `source`, or empty.
    uses : mapping of str to Stage
        Every stage by its ``use``, for provenance.
    calibration : CalibrationSource or None
        Who reads calibrations. None: who knows the file, or finds one beside the recording.
    least : float
        Least probability that ``[accept]`` asks for, whichever way it says so.
    """

    name: str
    source: FrameSource | None
    source_name: str
    inputs: tuple[Path, ...]
    window: WindowSettings
    preprocessors: tuple[Preprocessor, ...]
    detector: Detector
    postprocessors: tuple[Postprocessor, ...]
    accept: AcceptSettings
    stations: Mapping[str, StationSettings]
    catalog: CatalogSettings
    uses: Mapping[str, Stage] = field(default_factory=dict)
    tables: Mapping[str, Any] = field(default_factory=dict)
    limits: limits.Limits = field(default_factory=limits.Limits)
    calibrate: CalibrateSettings = field(default_factory=CalibrateSettings)
    calibration: CalibrationSource | None = None
    least: float = 0.5

    def to_toml(self, inputs: tuple[Path, ...] = ()) -> str:
        """Give the resolved pipeline as TOML: every setting, absolute paths.

        Parameters
        ----------
        inputs : tuple of Path
            What was read, if it was not ``[source] path``.
        """
        import tomli_w

        tables = dict(self.tables)
        paths = [str(path.absolute()) for path in (inputs or self.inputs)]
        if paths:
            source = {**tables.pop("source", {}), "path": paths[0] if len(paths) == 1 else paths}
            tables = {"source": source, **tables}
        return tomli_w.dumps(tables, multiline_strings=False)

    def name_of(self, stage: Stage) -> str:
        """Give the name under which a stage is used."""
        inner = untiled(stage) if isinstance(stage, Detector) else stage
        return next((use for use, known in self.uses.items() if known is inner), type(inner).__name__)

    def threshold(self, camera: str) -> float:
        """Give the least probability for a camera."""
        station = self.stations.get(camera)
        if station is not None and station.threshold is not None:
            return station.threshold
        return self.least


_TABLES = (
    "source", "window", "preprocess", "score", "select", "extract", "classify", "detect", "tile",
    "postprocess", "accept", "station", "catalog", "limits", "calibrate",
)  # fmt: skip
_LISTS = ("preprocess", "postprocess")
_COMPOSED: tuple[tuple[str, type[Stage]], ...] = (
    ("score", RegionScorer),
    ("select", PatchSelector),
    ("extract", PatchExtractor),
    ("classify", Classifier),
)


def read_plan(text: str, name: str, base: Path) -> Plan:
    """Read a pipeline file.

    Parameters
    ----------
    text : str
        TOML.
    name : str
        File name for messages.
    base : Path
        Folder that paths in it are relative to.

    Returns
    -------
    Plan

    Raises
    ------
    ConfigurationError
        With every mistake in it.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError([f"{name}: not valid TOML: {error}"]) from error
    reader = _Reader(name, base, tables)
    plan = reader.plan()
    if reader.problems or plan is None:
        raise ConfigurationError(reader.problems)
    limits.use(plan.limits)  # what reads files asks the process, from discovery on
    registry.use_source(plan.source_name, plan.source)
    return plan


class _Reader:
    """Reads the tables one by one and collects every mistake."""

    def __init__(self, name: str, base: Path, tables: dict[str, Any]) -> None:
        self.name, self.base, self.tables = name, base, tables
        self.problems: list[str] = []
        self.resolved: dict[str, Any] = {}
        self.uses: dict[str, Stage] = {}

    def plan(self) -> Plan | None:
        for table, value in self.tables.items():
            wanted = list if table in _LISTS else dict
            if table not in _TABLES:
                self.problems.append(
                    f"{self.name}: [{table}]: unknown table{registry.nearest(table, _TABLES)}"
                )
            elif not isinstance(value, wanted):
                shape = f"[[{table}]]" if wanted is list else f"[{table}]"
                self.problems.append(f"{self.name}: {table} must be written as {shape}")
        source, source_name, inputs = self._source()
        window = self._core("window", WindowSettings)
        preprocessors = self._stages("preprocess", Preprocessor)
        detector = self._tiled(self._detector())
        postprocessors = self._stages("postprocess", Postprocessor)
        accept = self._core("accept", AcceptSettings)
        stations = self._stations()
        catalog = self._core("catalog", CatalogSettings)
        calibrate, calibration = self._calibrate()
        allowed = self._core("limits", limits.Limits) if "limits" in self.tables else limits.Limits()
        if self.problems or detector is None or window is None or accept is None or catalog is None:
            return None
        if allowed is None or calibrate is None:
            return None
        least = self._least(accept, detector, postprocessors)
        self._check_planes(source, preprocessors, detector)
        return Plan(
            self.name, source, source_name, inputs, window, preprocessors, detector, postprocessors,
            accept, stations, catalog, self.uses, self.resolved, allowed, calibrate, calibration,
            least,
        )  # fmt: skip

    def _least(
        self, accept: AcceptSettings, detector: Detector, postprocessors: tuple[Postprocessor, ...]
    ) -> float:
        """Give the least probability, from what is stored with the model where the file asks for that.

        Asked is who decides last: a postprocessor that has measured what thresholds cost, else the detector.
        """
        if accept.recall is None and accept.false_per_night is None:
            return 0.5 if accept.threshold is None else accept.threshold
        decides = untiled(detector)
        stages: list[Stage] = [decides.classifier if isinstance(decides, ComposedDetector) else decides]
        stages += [one for one in postprocessors if type(one).operating_curve is not Stage.operating_curve]
        use = next((name for name, known in self.uses.items() if known is stages[-1]), "?")
        try:
            return least_probability(accept, stages[-1])
        except (AstrodetectError, ValueError) as error:
            self.problems.append(f"{self.name}: [accept]: {use!r}: {error}; give threshold")
            return 1.0

    def _table(self, table: str) -> dict[str, Any]:
        value = self.tables.get(table, {})
        return value if isinstance(value, dict) else {}

    def _core(self, table: str, cls: type[Any]) -> Any:
        built = settings.build(cls, self._table(table), f"{self.name}: [{table}]", self.base, self.problems)
        if built is not None and (values := settings.to_table(built)):
            self.resolved[table] = values
        return built

    def _stage(self, table: str, shown: str, given: Any, kind: type[Stage]) -> Stage | None:
        where = f"{self.name}: {shown}"
        if not isinstance(given, dict) or not isinstance(given.get("use"), str):
            self.problems.append(
                f'{where}: use is missing; expected the name of a {kind_of(kind)}, use = "..."'
            )
            return None
        use = given["use"]
        try:
            cls = registry.load(use, kind)
        except PluginError as error:
            self.problems.append(f"{where} use = {use!r}: {error}")
            return None
        if lacking := cls.unavailable():
            self.problems.append(f"{where} use = {use!r}: {lacking}")
            return None
        rest = {key: value for key, value in given.items() if key != "use"}
        stage = settings.build(cls, rest, where, self.base, self.problems)
        if stage is None:
            return None
        self.uses[use if use not in self.uses else f"{use} {len(self.uses) + 1}"] = stage
        values = {"use": use, **settings.to_table(stage)}
        if table in _LISTS:
            self.resolved.setdefault(table, []).append(values)
        else:
            self.resolved[table] = values
        return stage

    def _stages(self, table: str, kind: type[Any]) -> tuple[Any, ...]:
        given = self.tables.get(table, [])
        if not isinstance(given, list):
            return ()
        built = [self._stage(table, f"[[{table}]] {i + 1}", item, kind) for i, item in enumerate(given)]
        return tuple(stage for stage in built if stage is not None)

    def _source(self) -> tuple[FrameSource | None, str, tuple[Path, ...]]:
        given = dict(self._table("source"))
        path = given.pop("path", [])
        paths = path if isinstance(path, list) else [path]
        if not all(isinstance(item, str) for item in paths):
            self.problems.append(
                f"{self.name}: [source] path = {path!r}: expected a path, or a list of paths"
            )
            paths = []
        inputs = tuple(self.base / item for item in paths)
        if "use" in given:
            stage = self._stage("source", "[source]", given, FrameSource)
            return (stage if isinstance(stage, FrameSource) else None), str(given["use"]), inputs
        for key in given:
            self.problems.append(
                f'{self.name}: [source] {key}: a setting of a source needs use = "..." beside it'
            )
        return None, "", inputs

    def _detector(self) -> Detector | None:
        composed = [table for table, _ in _COMPOSED if table in self.tables]
        if "detect" in self.tables:
            if composed:
                names = ", ".join(f"[{table}]" for table in composed)
                self.problems.append(f"{self.name}: [detect] is a whole detector; it excludes {names}")
                return None
            detector = self._stage("detect", "[detect]", self.tables["detect"], Detector)
            return detector if isinstance(detector, Detector) else None
        missing = [table for table, _ in _COMPOSED if table not in self.tables]
        if missing:
            names = ", ".join(f"[{table}]" for table in missing)
            self.problems.append(
                f"{self.name}: {names} missing; "
                "expected [score], [select], [extract] and [classify], or [detect]"
            )
        built: dict[str, Any] = {}
        for table, kind in _COMPOSED:
            if table in self.tables:
                built[table] = self._stage(table, f"[{table}]", self.tables[table], kind)
        if len(built) < len(_COMPOSED) or any(stage is None for stage in built.values()):
            return None
        score, select, extract, classify = (str(self.tables[table]["use"]) for table, _ in _COMPOSED)
        return ComposedDetector(
            scorer=built["score"],
            selector=built["select"],
            extractor=built["extract"],
            classifier=built["classify"],
            names=(score, select, extract, classify),
        )

    def _tiled(self, detector: Detector | None) -> Detector | None:
        if "tile" not in self.tables:
            return detector
        tile = self._core("tile", TileSettings)
        return None if detector is None or tile is None else Tiled(detector, tile)

    def _stations(self) -> dict[str, StationSettings]:
        stations = {}
        for code, table in self._table("station").items():
            where = f"{self.name}: [station.{code}]"
            if not isinstance(table, dict):
                self.problems.append(f"{where}: expected a table")
                continue
            built = settings.build(StationSettings, table, where, self.base, self.problems)
            if built is not None:
                stations[code] = built
                self.resolved.setdefault("station", {})[code] = settings.to_table(built)
        return stations

    def _calibrate(self) -> tuple[CalibrateSettings | None, CalibrationSource | None]:
        """Read ``[calibrate]``: our own keys, and beside ``use`` those of a plugin."""
        given = self._table("calibrate")
        own = {setting.name for setting in dataclasses.fields(CalibrateSettings)}
        where = f"{self.name}: [calibrate]"
        ours = {key: value for key, value in given.items() if key in own or "use" not in given}
        table = settings.build(CalibrateSettings, ours, where, self.base, self.problems)
        stage = None
        if "use" in given:
            rest = {key: value for key, value in given.items() if key not in own}
            stage = self._stage("calibrate", "[calibrate]", rest, CalibrationSource)
        if table is not None and given:
            self.resolved["calibrate"] = {**self.resolved.get("calibrate", {}), **settings.to_table(table)}
        return table, stage if isinstance(stage, CalibrationSource) else None

    def _check_planes(
        self, source: FrameSource | None, pre: tuple[Preprocessor, ...], detector: Detector
    ) -> None:
        have = set(source.gives) if source is not None else set()
        tables: list[tuple[str, Stage]] = [(f"[[preprocess]] {i + 1}", stage) for i, stage in enumerate(pre)]
        tables += [(f"[{table}]", stage) for table, stage in _detector_stages(detector)]
        for shown, stage in tables:
            for plane in stage.needs:
                if plane not in have:
                    self.problems.append(
                        f"{self.name}: {shown}: needs the plane {plane!r}, which nothing before it gives"
                        f"{registry.nearest(plane, have) if have else ''}"
                    )
            have |= set(stage.gives)


def _detector_stages(detector: Detector) -> list[tuple[str, Stage]]:
    detector = untiled(detector)
    if isinstance(detector, ComposedDetector):
        stages: tuple[Stage, ...] = (
            detector.scorer,
            detector.selector,
            detector.extractor,
            detector.classifier,
        )
        return [(table, stage) for (table, _), stage in zip(_COMPOSED, stages, strict=True)]
    return [("detect", detector)]


def tell_wants(plan: Plan) -> None:
    """Tell every stage which planes the stages after it need."""
    after: set[str] = set()
    for _, stage in reversed(_detector_stages(plan.detector)):
        after |= set(stage.needs)
    for stage in reversed(plan.preprocessors):
        stage.want(frozenset(after))
        after |= set(stage.needs)
