"""Makes a plugin package visible as ``pip install`` would, without pip: a fake ``.dist-info`` on the path."""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path


def install(project: Path, site: Path) -> str:
    """Put what `project`'s pyproject.toml declares into the folder `site`; give the distribution's name."""
    declared = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    meta = declared["project"]
    site.mkdir(exist_ok=True)
    for package in declared["tool"]["setuptools"].get("packages", []):
        shutil.copytree(project / package, site / package)
    for module in declared["tool"]["setuptools"].get("py-modules", []):
        shutil.copy(project / f"{module}.py", site)
    write_info(site, meta["name"], meta["entry-points"]["astrodetect"], meta["version"])
    return str(meta["name"])


def write_info(site: Path, name: str, entries: Mapping[str, str], version: str = "0.1.0") -> None:
    """Write the metadata of an installed distribution."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = "\n".join(f"{entry} = {target}" for entry, target in entries.items())
    (info / "entry_points.txt").write_text(f"[astrodetect]\n{lines}\n")


def python(*arguments: str, site: Path | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess:
    """Run this Python with `site` on its path; text of both streams is kept."""
    root = str(Path(__file__).parents[1])
    paths = [*([str(site)] if site else []), root]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=cwd, env=environment, check=False
    )


def astrodetect(*arguments: str, site: Path | None = None, cwd: Path | None = None):
    """Run the command line as a user does."""
    return python("-m", "astrodetect", *arguments, site=site, cwd=cwd)
