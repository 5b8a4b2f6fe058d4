"""``trunkline bench``: what it prints, and how it judges. One tiny climb is real: two processes and two calls."""

import json
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from trunkline.cli import _bench_report
from trunkline.cli._bench_calls import CallsReport, Plan, Reference, Step, judge
from trunkline.cli.main import app
from trunkline.testing.load import Window

WELL = Step(
    Window(200, refused=0, dropped=0, astray=0, seconds=5, frames=50_000, p50=0.01, p99=0.04, under_runs=0, lag_p99=0),
    us_per_pair=12,
    server_cpu=0.12,
    others_cpu=0.01,
    generator_cpu=0.1,
    kib_per_call=30,
)


def step(calls: int = 200, generator_cpu: float = 0.1, **window: Any) -> Step:
    met = msgspec.structs.replace(WELL.window, calls=calls, **window)
    return msgspec.structs.replace(WELL, window=met, generator_cpu=generator_cpu)


@pytest.mark.parametrize(
    ("met", "fault"),
    [
        ({}, ""),
        ({"p99": 0.300, "under_runs": 0.01}, ""),
        ({"p99": 0.301}, "p99 301 ms"),
        ({"under_runs": 0.011}, "under-runs 1.1 %"),
        ({"refused": 2}, "2 refused"),
        ({"dropped": 1, "p99": 0.5}, "1 dropped, p99 500 ms"),
        ({"astray": 1}, "1 gave back something else"),
        ({"frames": 0, "p99": float("nan")}, "nothing came back"),
    ],
)
def test_a_step_says_what_was_wrong_with_it(met: Any, fault: Any) -> None:
    assert step(**met).fault == fault


@pytest.mark.parametrize(
    ("steps", "held", "verdict"),
    [
        ([step(200), step(300)], 300, "one core held 300 calls, the most that was tried"),
        ([step(200), step(300, p99=0.4)], 200, "one core held 200 calls; with 300: p99 400 ms"),
        ([step(200), step(298, refused=2)], 200, "one core held 200 calls; with 300: 2 refused"),
        ([step(200, p99=0.4)], 0, "one core held 0 calls; with 200: p99 400 ms"),
        ([step(200), step(300, lag_p99=0.02)], None, "the load generator, not the gateway, is the limit: no figure"),
        ([step(200), step(300, generator_cpu=0.95, p99=9)], None, "the load generator, not the gateway, is the limit"),
    ],
)
def test_the_figure_is_the_last_step_that_went_well_and_none_where_the_phones_gave_out_first(
    steps: Any, held: Any, verdict: Any
) -> None:
    found, sentence = judge(steps)
    assert found == held
    assert sentence.startswith(verdict)


def test_the_tables_and_the_values_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    told = CallsReport(Plan(), True, [step(200), step(300, p99=0.4)], [Reference(200, 10, 12)], 200, "the verdict")
    _bench_report.show(told)
    shown = capsys.readouterr().out
    assert "p99 400 ms" in shown
    assert "1.20 times" in shown
    assert "The verdict." in shown
    values = _bench_report.values(told)
    assert values["references"][0]["ratio"] == 1.2
    assert [row["fault"] for row in values["steps"]] == ["", "p99 400 ms"]


@pytest.fixture
def run() -> Callable[..., Any]:
    def invoke(*arguments: str) -> Any:
        return CliRunner().invoke(app, ["bench", *arguments])

    return invoke


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_small_climb_measures_and_stops_by_itself(run: Any) -> None:
    result = run("calls", "--max", "2", "--seconds", "1", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["steps"][0]["window"]["calls"] == 2
    assert told["steps"][0]["window"]["frames"] > 0
    assert told["verdict"]


def test_audio_without_the_extra_says_what_to_install(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soxr", None)
    for name in ("bench_audio", "bench_designs"):  # an earlier test may have imported them
        monkeypatch.delitem(sys.modules, f"trunkline.testing.{name}", raising=False)
        monkeypatch.delattr(f"trunkline.testing.{name}", raising=False)
    result = run("audio")
    assert result.exit_code == 2
    assert 'pip install "trunkline[bench]"' in result.stderr


def test_help_names_the_variable_for_recordings_and_no_folder_outside_the_repository() -> None:
    told = CliRunner().invoke(app, ["bench", "--help"]).output
    assert "TRUNKLINE_SPEECH_DIR" in told
    assert "../" not in told
