"""What the documentation says can be done: every command in it exists, every link leads somewhere."""

import ast
import re
import shlex
import tomllib
from itertools import takewhile

import click
import pytest
from documents import ROOT, blocks, pages

from astrodetect import Pipeline
from astrodetect.cli import cli

MAIN_JOB = (
    "pip install . && astrodetect simulate night && astrodetect run --pipeline meteor night --out night.h5"
    " && astrodetect catalog show night.h5 && astrodetect report night.h5"
)
TESTS = 'pip install ".[test]" && pytest'


def commands():
    """Every ``astrodetect ...`` in the console blocks and in the text, with the page it is on."""
    for page in pages():
        lines = [
            line
            for kind in ("console", "bash")
            for block in blocks(page, kind)
            for line in block.splitlines()
        ]
        text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        lines += [" ".join(line.split()) for line in re.findall(r"`(astrodetect [^`]+)`", text)]
        for line in lines:
            for part in re.split(r"&&|\|", line.split("#")[0].rstrip("\\ ")):
                if part.strip().startswith("astrodetect "):
                    yield page.relative_to(ROOT).as_posix(), part.strip()


@pytest.mark.parametrize(("page", "line"), sorted(set(commands())), ids=lambda value: value.replace("/", ":"))
def test_a_command_in_the_documentation_exists(page, line):
    command, context = cli, click.Context(cli, info_name="astrodetect")
    words = list(takewhile(lambda word: word != ">", shlex.split(line)))[1:]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        assert found is not None or command.invoke_without_command, f"{page}: {line}: no command {words[0]}"
        if found is None:
            break
        command, words = found, words[1:]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    given = {word.split("=")[0] for word in words if word.startswith("-") and word != "-"}
    assert given <= known | {"--help"}, f"{page}: {line}"


def test_the_readme_has_its_two_lines_as_promised():
    lines = [line for block in blocks(ROOT / "README.md", "console") for line in block.splitlines()]
    assert lines.count(MAIN_JOB) == 1
    assert lines.count(TESTS) == 1
    assert 'pip install "torch' in lines[0]


def test_the_checks_run_the_lines_of_the_readme_and_hold_no_copy():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "readme_line 'pip install . && astrodetect simulate'" in script
    assert "readme_line 'pip install \".[test]\" && pytest'" in script
    assert "catalog show" not in script


@pytest.mark.parametrize(
    "page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix().replace("/", ":")
)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target) and not target.startswith("#"):
            assert (page.parent / target.split("#")[0]).exists(), f"{page.name}: {target}"


def test_every_benchmark_is_named_and_every_name_is_a_benchmark():
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    named = set(re.findall(r"benchmarks/(\w+\.py)", text))
    present = {path.name for path in (ROOT / "benchmarks").glob("*.py")}
    assert named <= present
    assert {name for name in present - named if not name.startswith("fit_")} == set()


def test_the_exit_statuses_are_documented():
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\d+) \|", text, re.MULTILINE) == ["0", "1", "2", "3", "130"]


def test_code_blocks_are_valid_python_and_toml():
    for page in pages():
        for block in blocks(page, "python"):
            ast.parse(block, filename=str(page))
        for block in blocks(page, "toml"):
            tomllib.loads(block)


def test_the_pipeline_that_is_shown_has_no_mistakes():
    (shown,) = blocks(ROOT / "docs" / "pipeline-file.md", "toml")
    assert Pipeline(shown).check() == []
    kept = (ROOT / "examples" / "astrodetect-stranger" / "pipeline.toml").read_text(encoding="utf-8")
    assert Pipeline(kept.replace("stranger-peak", "peak-snr")).check() == []
