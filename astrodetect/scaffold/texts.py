"""The files of a new plugin package that are no Python modules."""

from __future__ import annotations

#: How a pipeline file names a stage of each kind.
TABLES = {
    "source": "[source]",
    "preprocessor": "[[preprocess]]",
    "scorer": "[score]",
    "selector": "[select]",
    "extractor": "[extract]",
    "classifier": "[classify]",
    "detector": "[detect]",
    "postprocessor": "[[postprocess]]",
    "calibration": "[calibrate]",
}

PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "0.1.0"
description = "A {kind} for astrodetect"
readme = "README.md"
requires-python = ">=3.11"
dependencies = [{requires}]

[project.optional-dependencies]
test = ["pytest>=8.0"]

[project.entry-points.astrodetect]
{name} = "{module}:{cls}"

[tool.setuptools]
packages = ["{module}"]

[tool.setuptools.package-data]
{module} = ["py.typed"]

[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["."]
"""

README = """\
# {name}

A {kind} for astrodetect.

```console
pip install -e ".[test]"        # makes astrodetect see it
pytest                          # its tests, and the conformance tests of a {kind}
astrodetect plugins             # it is listed
astrodetect plugins show {name}
astrodetect plugins check {name}
```

`pipeline.toml` is the built-in pipeline with this {kind} in it:

```console
{recordings}
astrodetect check --pipeline pipeline.toml
astrodetect run --pipeline pipeline.toml night --out night.h5
astrodetect catalog show night.h5 --rejects
```

In a pipeline file of your own:

```toml
{table}
use = "{name}"
```

The stage is the class `{cls}` in `{module}/__init__.py`. Its fields are its settings; the comment
that starts with `#:` above a field is its documentation.
"""

#: Commands that make recordings to try a plugin on; the source reads a form of its own.
RECORDINGS = "astrodetect simulate night --recordings 1"
RECORDINGS_OF_THE_SOURCE = """\
mkdir night
python -c "import numpy; numpy.save('night/one.npy', numpy.eye(64)[:, :, None].repeat(64, axis=2))\""""

GITIGNORE = """\
__pycache__/
*.egg-info/
build/
dist/
.pytest_cache/
.venv/
"""

#: Checks of the package where it lies on GitHub; braces are GitHub's own.
WORKFLOW = """\
name: tests
on: [push, pull_request]
permissions:
  contents: read
jobs:
  tests:
    runs-on: ubuntu-latest
    strategy:
      fail-fast: false
      matrix:
        python: ["3.11", "3.12", "3.13"]
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: ${{ matrix.python }}
      - run: pip install "torch>=2.6" --index-url https://download.pytorch.org/whl/cpu
      - run: pip install -e ".[test]"
      - run: pytest -W error
      - run: astrodetect plugins check @name@
"""

ENTRY_POINT_TEST = '''\
"""What pyproject.toml declares is what a pipeline file gets."""

import tomllib
from pathlib import Path

from {module} import {cls}


def test_the_entry_point_names_the_class() -> None:
    """The line that makes astrodetect see the plugin."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    target = project["project"]["entry-points"]["astrodetect"]["{name}"]
    assert target == f"{{{cls}.__module__}}:{{{cls}.__qualname__}}"
'''
