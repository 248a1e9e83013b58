"""The rules of the tree, as CONTRIBUTING.md states them."""

import ast
import importlib
import inspect
import pkgutil
import tomllib
from functools import cache

import pytest
from documents import ROOT
from stranger_packages import astrodetect as command
from stranger_packages import python

import astrodetect.plugins
from astrodetect.core import registry, tables
from astrodetect.core.settings import describe
from astrodetect.core.stages import kind_of
from astrodetect.plugins.models.config import ModelConfig
from astrodetect.simulation.fields.radio import RadioScene
from astrodetect.simulation.fields.stars import StarScene
from astrodetect.simulation.fields.trails import TrailScene
from astrodetect.simulation.settings import Settings as SimulationSettings
from astrodetect.training.boxes.known import BOX_DATA_SETS
from astrodetect.training.boxes.vary import BoxAugmentSettings

PACKAGE = ROOT / "astrodetect"
HEAVY = ("torch", "astropy", "scipy", "photutils", "h5py", "av", "PIL", "tifffile", "pandas", "cv2", "numba")
ABOVE_THE_CORE = ("plugins", "cli", "catalogs", "simulation", "evaluation", "report", "scaffold", "pipeline")


def source_files():
    folders = ("astrodetect", "tests", "benchmarks", "docs", "examples")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return [path for path in files if not {"build", "_build"} & set(path.parts)]


@cache
def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path):
    """Names of modules that a file imports anywhere but under ``if TYPE_CHECKING``."""
    for_types = {
        id(node)
        for block in ast.walk(tree_of(path))
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for child in block.body
        for node in ast.walk(child)
    }
    for node in ast.walk(tree_of(path)):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{name.name}" for name in node.names)


def test_the_core_knows_nothing_above_it():
    forbidden = ("click", "h5py", *(f"astrodetect.{name}" for name in ABOVE_THE_CORE))
    found = {
        f"{path.name} imports {name}"
        for path in (PACKAGE / "core").rglob("*.py")
        for name in imports_of(path)
        if any(name == other or name.startswith(f"{other}.") for other in forbidden)
    }
    assert not found


def test_only_catalogs_know_hdf5():
    found = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if path.parent != PACKAGE / "catalogs"
        and any(name.split(".")[0] == "h5py" for name in imports_of(path))
    }
    assert not found


def test_pycuda_is_imported_in_one_module():
    found = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if any(name.split(".")[0] == "pycuda" for name in imports_of(path))
    }
    assert found <= {"cuda/pycuda_device.py"}


def test_nothing_is_unpickled():
    found = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in PACKAGE.rglob("*.py")
        for name in imports_of(path)
        if name.split(".")[0] in {"pickle", "cPickle", "shelve", "dill", "joblib"}
    }
    assert not found


def declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["entry-points"]["astrodetect"]


def test_every_built_in_stage_is_declared_and_every_declaration_holds():
    present = {}
    for info in pkgutil.walk_packages(astrodetect.plugins.__path__, "astrodetect.plugins."):
        module = importlib.import_module(info.name)
        for name, cls in inspect.getmembers(module, inspect.isclass):
            own = cls.__module__ == module.__name__ and not name.startswith("_")
            if own and kind_of(cls) and not inspect.isabstract(cls):
                present[f"{module.__name__}:{name}"] = kind_of(cls)
    assert set(present) == set(declared().values())
    for target, kind in present.items():
        assert target.startswith(f"astrodetect.plugins.{kind}s."), f"{target} is a {kind}"


def test_no_file_is_longer_than_400_lines():
    lengths = {
        str(p.relative_to(ROOT)): len(p.read_text(encoding="utf-8").splitlines()) for p in source_files()
    }
    assert {name: n for name, n in lengths.items() if n > 400} == {}


def body_lines(function):
    """Lines of a function's body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_no_function_body_is_longer_than_40_lines():
    lengths = {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}": body_lines(node)
        for path in source_files()
        for node in ast.walk(tree_of(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    assert {name: n for name, n in lengths.items() if n > 40} == {}


@pytest.mark.parametrize("name", sorted(declared()))
def test_every_setting_of_a_plugin_is_documented(name):
    cls = registry.load(declared()[name])
    assert cls.__doc__
    assert not cls.__doc__.startswith(f"{cls.__name__}("), f"{name} has no docstring of its own"
    assert [s.name for s in describe(cls) if not s.help] == []


@pytest.mark.parametrize(
    "cls",
    [
        tables.WindowSettings,
        tables.TileSettings,
        tables.AcceptSettings,
        tables.CalibrateSettings,
        tables.StationSettings,
        tables.CatalogSettings,
        SimulationSettings,
        RadioScene,
        StarScene,
        TrailScene,
        ModelConfig,
        *BOX_DATA_SETS.values(),
        BoxAugmentSettings,
    ],
)
def test_every_other_setting_is_documented(cls):
    assert [s.name for s in describe(cls) if not s.help] == []


def loaded(code, *modules, cwd=None):
    """Which of `modules` are imported after running `code` in a new process."""
    told = f"import sys\n{code}\nprint('|'.join(m for m in {modules!r} if m in sys.modules), file=sys.stderr)"
    done = python("-c", told, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return [name for name in done.stderr.splitlines()[-1].split("|") if name]


COMMAND = """
from astrodetect.cli import main
try:
    main({arguments!r})
except SystemExit as end:
    assert not end.code, end.code
"""


def test_importing_astrodetect_loads_nothing_heavy():
    assert loaded("import astrodetect", "numpy", "pydantic", "click", *HEAVY) == []


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["run", "--help"], ["catalog", "show", "--help"]], ids=" ".join
)
def test_help_loads_nothing_heavy(arguments):
    assert loaded(COMMAND.format(arguments=arguments), *HEAVY) == []


def test_run_never_imports_torch(tmp_path):
    made = command(
        "simulate", "night", "--recordings", "2", "--frames", "70", "--shape", "120x160", cwd=tmp_path
    )
    assert made.returncode == 0, made.stderr
    arguments = ["run", "--pipeline", "meteor", "night", "--out", "night.h5"]
    assert loaded(COMMAND.format(arguments=arguments), "torch", cwd=tmp_path) == []
    assert (tmp_path / "night.h5").is_file()


def test_no_stage_but_a_learned_one_imports_torch():
    code = "from astrodetect.core import registry\n" + "\n".join(
        f"registry.load({target!r})" for target in declared().values()
    )
    assert loaded(code, "torch") == []
