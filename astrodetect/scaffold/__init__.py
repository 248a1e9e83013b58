"""``astrodetect plugins new``: a plugin package that passes its tests at once.

The stages in `astrodetect.scaffold.kinds` and the tests in `astrodetect.scaffold.checks` are real
modules, checked like all others; a new package gets copies with its own names in place of
``Example``.
"""

from __future__ import annotations

import keyword
import re
import tomllib
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from astrodetect import pipelines
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.registry import installed
from astrodetect.core.stages import KINDS
from astrodetect.scaffold import texts

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
#: What the stage of a kind imports beside NumPy.
_EXTRA = {"detector": ["scipy>=1.11"]}


def write_package(name: str, kind: str, parent: Path) -> list[Path]:
    """Write a plugin package into a new folder.

    Parameters
    ----------
    name : str
        Name of the plugin, of its distribution and of the folder: small letters, digits and hyphens.
    kind : str
        One of `astrodetect.core.stages.KINDS`.
    parent : Path
        Folder to write it in.

    Returns
    -------
    list of Path
        The files, relative to `parent`.

    Raises
    ------
    AstrodetectError
        The name cannot be used, or the folder exists.
    """
    if kind not in KINDS:
        raise AstrodetectError(f"no kind of plugin is named {kind!r}; there are {', '.join(KINDS)}")
    _check_name(name)
    folder = parent / name
    if folder.exists():
        raise AstrodetectError(f"{folder}: exists already; give another name, or another --folder")
    try:
        return _write(folder, package_files(name, kind))
    except OSError as error:
        raise AstrodetectError(f"{folder}: cannot be written: {error.strerror or error}") from error


def _write(folder: Path, files: dict[str, str]) -> list[Path]:
    written = []
    for relative, text in files.items():
        path = folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        written.append(path.relative_to(folder.parent))
    return written


def package_files(name: str, kind: str) -> dict[str, str]:
    """Give the files of a plugin package: text by relative path.

    Examples
    --------
    >>> sorted(package_files("far-sky", "scorer"))[3:7]
    ['far_sky/__init__.py', 'far_sky/py.typed', 'pipeline.toml', 'pyproject.toml']
    """
    module = name.replace("-", "_")
    cls = "".join(part.capitalize() for part in name.split("-"))
    values = {"name": name, "module": module, "cls": cls, "kind": kind, "table": texts.TABLES[kind]}
    own = kind == "source"
    values["recordings"] = texts.RECORDINGS_OF_THE_SOURCE if own else texts.RECORDINGS
    values["requires"] = ", ".join(f'"{item}"' for item in _requirements(kind))
    stage = _source(f"kinds/{kind}.py").replace("Example", cls)
    check = _source(f"checks/{kind}.py").replace(f"astrodetect.scaffold.kinds.{kind}", module)
    return {
        "pyproject.toml": texts.PYPROJECT.format_map(values),
        "pipeline.toml": _pipeline(name, kind),
        "README.md": texts.README.format_map(values),
        ".gitignore": texts.GITIGNORE,
        ".github/workflows/tests.yml": texts.WORKFLOW.replace("@name@", name),
        f"{module}/__init__.py": stage,
        f"{module}/py.typed": "",
        f"tests/test_{module}.py": _own_imports_last(check.replace("Example", cls), module),
        "tests/test_entry_point.py": texts.ENTRY_POINT_TEST.format_map(values),
    }


def _pipeline(name: str, kind: str) -> str:
    """Give the built-in pipeline with the plugin in the place of its own stage, or added to it."""
    import tomli_w

    tables = tomllib.loads(pipelines.text("meteor") or "")
    table = texts.TABLES[kind].strip("[]")
    if texts.TABLES[kind].startswith("[["):
        tables[table].append({"use": name})
    else:
        tables[table] = {"use": name}
    if kind == "detector":  # it is all four in one
        for part in ("score", "select", "extract", "classify"):
            del tables[part]
    return f"# The built-in pipeline with the {kind} {name} in it.\n\n{tomli_w.dumps(tables)}"


def _source(relative: str) -> str:
    return (resources.files(__name__) / relative).read_text(encoding="utf-8")


def _own_imports_last(text: str, module: str) -> str:
    """Put the import of the package itself into a block of its own, as import sorters want it."""
    return re.sub(rf"^from {module} import", f"\nfrom {module} import", text, count=1, flags=re.MULTILINE)


def _requirements(kind: str) -> list[str]:
    from astrodetect import __version__

    return [f"astrodetect>={__version__}", "annotated-types>=0.6", "numpy>=1.26", *_EXTRA.get(kind, [])]


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise AstrodetectError(
            f"{name!r} cannot name a plugin; expected small letters, digits and hyphens, as in stranger-peak"
        )
    module = name.replace("-", "_")
    for plugin in installed().get(name, ()):
        raise AstrodetectError(
            f"the name {name!r} is taken by {plugin.distribution} {plugin.version}; give another one"
        )
    if keyword.iskeyword(module) or module == "tests" or find_spec(module) is not None:
        raise AstrodetectError(f"{name!r} cannot name a plugin: Python has a module or a word {module!r}")
