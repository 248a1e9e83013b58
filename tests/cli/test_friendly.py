"""Doctor, init, completion, JSON, colours and the nearest name: what makes the command line friendly."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from stranger_packages import astrodetect, python, write_info

from astrodetect import Pipeline
from astrodetect.cli import cli, main
from astrodetect.doctor import examine
from astrodetect.starting import look, pipeline_for


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("friendly")
    small = ("--recordings", "2", "--frames", "40", "--shape", "120x160")
    assert astrodetect("simulate", "night", *small, cwd=folder).returncode == 0
    return folder


def test_init_writes_a_pipeline_that_runs_as_it_is(night: Path) -> None:
    made = astrodetect("init", "night", cwd=night)
    assert (made.returncode, made.stdout) == (0, "meteor.toml: for 2 freeture recordings\n")
    text = (night / "meteor.toml").read_text()
    tables = tomllib.loads(text)
    assert tables["source"] == {"use": "freeture", "path": "night"}
    assert tables["catalog"] == {"path": "meteor.h5"}
    assert "160x120 uint16, 40 frames, 30 Hz, camera XX0001" in text
    assert '# [station."XX0001"]' in text
    again = astrodetect("init", "night", cwd=night)
    assert again.returncode == 2
    assert "meteor.toml: exists; choose another name with -o or give --force" in again.stderr
    assert (night / "meteor.toml").read_text() == text
    ran = astrodetect("run", "--pipeline", "meteor.toml", "--json", "--quiet", cwd=night)
    assert (ran.returncode, ran.stderr) == (0, "")
    summary = json.loads(ran.stdout)
    assert (summary["statuses"], summary["n_frames"]) == ({"done": 2}, 80)
    assert Path(summary["catalog"]).name == "meteor.h5"
    assert Path(night / "meteor.h5").is_file()


def test_what_init_leaves_commented_out_is_right_when_it_is_taken_in(night: Path) -> None:
    text = pipeline_for(look(night / "night"), night / "other.toml")
    taken = "\n".join(
        line[2:] if line.startswith(("# [station", "# threshold")) else line for line in text.split("\n")
    )
    assert "[station" in tomllib.loads(taken) or tomllib.loads(taken)["station"]
    assert Pipeline(taken, "other.toml", night).check() == []


def test_the_pipeline_of_init_has_the_stages_of_the_built_in_one(night: Path) -> None:
    from astrodetect import pipelines

    tables = tomllib.loads(pipeline_for(look(night / "night"), night / "other.toml"))
    built_in = tomllib.loads(pipelines.text("meteor") or "")
    assert {name: tables[name] for name in built_in} == built_in


def test_init_says_so_when_there_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    for folder, what in ((".", "no recording found; looked for"), ("none", "no such file or folder")):
        done = astrodetect("init", folder, cwd=tmp_path)
        assert done.returncode == 2
        assert what in done.stderr
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "meteor.toml").exists()


def test_doctor_says_what_there_is(tmp_path: Path) -> None:
    done = astrodetect("doctor", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    findings = json.loads(done.stdout)
    assert {finding["area"] for finding in findings} >= {
        "python", "packages", "gpu", "codecs", "plugins", "files",
    }  # fmt: skip
    assert not [finding for finding in findings if finding["status"] == "fail"]
    assert not list(tmp_path.iterdir())


def test_doctor_finds_a_broken_plugin_and_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "broken_toy.py").write_text("raise RuntimeError('no licence')\n")
    write_info(tmp_path, "broken-toy", {"broken-toy": "broken_toy:Peak"})
    done = astrodetect("doctor", site=tmp_path, cwd=tmp_path)
    assert done.returncode == 1
    assert any(line.startswith("FAIL plugins") and "no licence" in line for line in done.stdout.splitlines())
    failing = [finding for finding in examine(tmp_path / "none") if finding.status == "fail"]
    assert [finding.area for finding in failing] == ["files"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_what_the_shell_needs(shell: str) -> None:
    result = CliRunner().invoke(cli, ["completion", shell])
    assert result.exit_code == 0
    assert f"_ASTRODETECT_COMPLETE={shell}_complete" in result.output


def complete(*words: str) -> list[str]:
    text = " ".join(words)
    code = "from astrodetect.cli import cli; cli(prog_name='astrodetect')"
    given = {"_ASTRODETECT_COMPLETE": "bash_complete", "COMP_WORDS": text, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **given}, check=False
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_a_shell_completes_commands_options_and_names() -> None:
    assert complete("astrodetect", "rep") == ["report"]
    assert complete("astrodetect", "catalog", "ver") == ["verify"]
    assert complete("astrodetect", "report", "--cl") == ["--clips"]
    assert "peak-snr" in complete("astrodetect", "plugins", "show", "pe")
    assert complete("astrodetect", "pipelines", "met") == ["meteor", "meteor-classical"]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["reprot"], "error: no command 'reprot'; did you mean 'report'?"),
        (["catalog", "shwo", "x"], "error: no command 'shwo'; did you mean 'show'?"),
        (["plugins", "shwo", "x"], "error: no command 'shwo'; did you mean 'show'?"),
        (["report", "--cips", "3", "x"], "--cips"),
        (["plugins", "show", "topk"], "did you mean 'top-k'?"),
        (["pipelines", "metoer"], "did you mean 'meteor'?"),
        (["check", "--pipeline", "metoer"], "did you mean 'meteor'?"),
    ],
)
def test_a_wrong_name_is_told_in_two_lines_with_the_nearest(
    arguments: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    told = capsys.readouterr().err
    assert what in told
    assert told.count("\n") <= 2


def test_machines_get_json(night: Path) -> None:
    assert astrodetect("run", "--pipeline", "meteor", "night", "--out", "n.h5", cwd=night).returncode == 0

    def read(*arguments: str, status: int = 0) -> Any:
        done = astrodetect(*arguments, "--json", cwd=night)
        assert done.returncode == status, done.stderr
        return json.loads(done.stdout)

    shown = read("catalog", "show", "n.h5")
    assert (shown["recordings"], shown["frames"], shown["unfinished"]) == ({"done": 2}, 80, False)
    assert read("catalog", "verify", "n.h5") == {"catalog": "n.h5", "sound": True, "findings": []}
    assert read("check", "--pipeline", "meteor") == {"pipeline": "meteor", "problems": []}
    (night / "wrong.toml").write_text('[select]\nuse = "topk"\n')
    assert "did you mean 'top-k'?" in " ".join(
        read("check", "--pipeline", "wrong.toml", status=2)["problems"]
    )
    listed = {plugin["name"]: plugin for plugin in read("plugins")}
    assert listed["top-k"]["kind"] == "selector"
    (k, *_) = read("plugins", "show", "top-k")["settings"]
    assert (k["name"], k["required"]) == ("k", False)
    assert read("evaluate", "n.h5", "--truth", "night/truth.csv")


def terminal_output(*arguments: str, **given: str) -> bytes:
    """What a command writes where standard error is a terminal."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "astrodetect", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    subprocess.run(command, stdout=follower, stderr=follower, env={**environment, **given}, check=False)
    os.close(follower)
    written = b""
    try:
        while data := os.read(leader, 4096):
            written += data
    except OSError:  # how Linux says that nothing more comes
        pass
    os.close(leader)
    return written


def test_colours_are_for_terminals_only() -> None:
    assert b"\x1b[" in terminal_output("pipelines", "none")
    assert b"\x1b[" not in terminal_output("pipelines", "none", NO_COLOR="1")
    assert "\x1b[" not in python("-m", "astrodetect", "pipelines", "none").stderr
