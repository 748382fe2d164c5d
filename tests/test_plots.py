"""Pictures: axes in, the same axes out; readable in grey, on dark, small and large, at any n."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.mathtext import MathTextParser
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from nbstream import plots
from nbstream.errors import ParameterError
from nbstream.events import Word
from nbstream.plots import style
from nbstream.plots.stability import cells
from nbstream.tables import TurnRow

NAMES = ["A", "Dr. Elizabeth Montgomery-Smythe the Elder", "$x_1$", "_b", "ג", "F", "G", "H"]
WORDS = ["so", "the", "quick_brown", "$5-$10", "or", "dog", "עולם", "مرحبا", "because", "recognise"]
Tables = dict[str, Any]


def talk(n: int, n_speakers: int = 2, *, names: list[str] | None = None) -> Tables:
    """Peaks and tables of `n` turns; the last one is open."""
    rng = np.random.default_rng(n)
    who, names = rng.integers(n_speakers, size=n), names or NAMES
    turns, words, partials, end_s = [], [], [], 0.5
    for i in range(n):
        start_s = max(0.0, end_s + rng.normal(0.25, 0.5))
        texts = [str(text) for text in rng.choice(WORDS, rng.integers(2, 20) if i else 20)]
        ends_s = start_s + np.cumsum(rng.uniform(0.15, 0.5, len(texts)))
        key = {"connection": 0, "turn_order": i, "speaker": names[who[i]]}
        turns.append(
            key
            | {"transcript": " ".join(texts), "is_final": i < n - 1}
            | {"start_s": start_s, "end_s": ends_s[-1], "model": "u3-rt-pro", "mode": "balanced"}
            | {"fto_ms": 1000 * (start_s - end_s) if i and who[i] != who[i - 1] else np.nan}
            | {"inter_turn_silence_ms": max(0.0, 1000 * (start_s - end_s)) if i else np.nan}
            | {"first_partial_ms": rng.normal(600, 150), "ttfs_ms": rng.normal(500, 100)}
            | {"endpoint_wait_ms": rng.normal(300, 20), "delivery_ms": rng.gamma(2, 60)}
        )
        for word, text in enumerate(texts):
            first, final = rng.normal(500, 120), rng.normal(900, 200)
            words.append(
                key
                | {"word": word, "text": text}
                | {"start_s": ends_s[word] - 0.14, "end_s": ends_s[word]}
                | {"emission_latency_first_ms": first, "emission_latency_final_ms": final}
            )
        for partial, shown in enumerate(range(1, len(texts) + 1)):
            said = [*texts[: shown - 1], texts[shown - 1] if shown % 3 else "beach"]
            partials.append(
                {"connection": 0, "turn_order": i, "partial": partial, "n_words": shown}
                | {"arrived_s": ends_s[shown - 1] + 0.4, "is_final": shown == len(texts)}
                | {"transcript": " ".join(said), "n_kept": 0, "n_revised": shown % 3 == 1}
            )
        end_s = float(ends_s[-1])
    level = rng.integers(100, 9000, int(100 * end_s) + 50)
    tables = {"turns": turns, "words": words, "partials": partials}
    peaks = np.stack([-level, level], axis=1).astype(np.int16)
    return {"peaks": peaks} | {name: pd.DataFrame(rows) for name, rows in tables.items()}


PICTURES: dict[str, Callable[[Tables, Axes | None], Axes]] = {
    "turns": lambda t, ax: plots.turns(t["peaks"], t["turns"], words=t["words"], ax=ax),
    "floor_transfers": lambda t, ax: plots.floor_transfers(t["turns"], ax=ax),
    "silences": lambda t, ax: plots.silences(t["turns"], ax=ax),
    "latencies": lambda t, ax: plots.latencies(t["turns"], ax=ax),
    "latencies_by": lambda t, ax: plots.latencies(t["turns"], by="speaker", ax=ax),
    "latencies_words": lambda t, ax: plots.latencies(t["words"], ax=ax),
    "stability": lambda t, ax: plots.stability(t["partials"], ax=ax),
    "stability_turn": lambda t, ax: plots.stability(t["partials"], turn=0, ax=ax),
    "talk_time": lambda t, ax: plots.talk_time(t["turns"], ax=ax),
}
SMALL, LARGE = (3.4, 2.2), (12, 6)
pictures = pytest.mark.parametrize("draw", PICTURES.values(), ids=PICTURES)


def page(tables: Tables, **options: Any) -> Figure:
    """The report of `tables`, whose turns hold the timing too."""
    turns, words, partials = tables["turns"], tables["words"], tables["partials"]
    return plots.report(tables["peaks"], turns, words, turns, partials, **options)


def axes(size_in: tuple[float, float] = (6, 3)) -> Axes:
    return Figure(figsize=size_in, layout="constrained").add_subplot()


def drawn(figure: Figure) -> Figure:
    FigureCanvasAgg(figure).draw()
    return figure


def texts(ax: Axes) -> Iterator[Text]:
    """What is written in and around drawn axes."""
    found = [*ax.texts, ax.title, ax._left_title]  # type: ignore[attr-defined]
    found += [cell.get_text() for table in ax.tables for cell in table.get_celld().values()]
    if ax.get_legend():
        found += ax.get_legend().get_texts()
    for axis in (ax.xaxis, ax.yaxis) if ax.axison else ():
        low, high = sorted(axis.get_view_interval())
        ticks = [t for t in axis.get_major_ticks() if low - 1e-9 <= t.get_loc() <= high + 1e-9]
        found += [axis.label, axis.get_offset_text(), *(tick.label1 for tick in ticks)]
    yield from (text for text in found if text.get_visible() and text.get_text().strip())


def written(ax: Axes) -> str:
    drawn(ax.figure)  # type: ignore[arg-type]
    return "\n".join(text.get_text() for text in texts(ax))


def assert_readable(figure: Figure) -> None:
    """No text is cut off by the edge, nor by another text; a pixel is let pass."""
    drawn(figure)
    found = [text for ax in figure.axes for text in texts(ax)]
    assert found
    boxes = np.array([text.get_window_extent().extents for text in found])
    low, high = boxes[:, :2] + 1, boxes[:, 2:] - 1
    outside = (low < 0).any(axis=1) | (high > figure.bbox.size).any(axis=1)
    assert [] == [found[i].get_text() for i in np.flatnonzero(outside)]
    for i in range(len(found)):
        meets = ((low[i] < high[i + 1 :]) & (low[i + 1 :] < high[i])).all(axis=1)
        pairs = [(found[i].get_text(), found[i + 1 + j].get_text()) for j in np.flatnonzero(meets)]
        assert [] == pairs


@pictures
def test_axes_in_the_same_axes_out(draw: Callable[[Tables, Axes | None], Axes]) -> None:
    """A picture goes where it is told to, and nowhere else."""
    ax = axes()
    assert draw(talk(5), ax) is ax
    assert [ax] == ax.figure.axes


@pictures
def test_without_axes_a_figure_is_made(draw: Callable[[Tables, Axes | None], Axes]) -> None:
    """In a cell, a picture of its own, laid out so that nothing is cut off."""
    import matplotlib.pyplot as plt

    with mpl.rc_context({"backend": "agg"}):
        ax = draw(talk(5), None)
        assert_readable(ax.figure)  # type: ignore[arg-type]
        plt.close("all")


@pictures
@pytest.mark.parametrize("size_in", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(("n", "n_speakers"), [(1, 1), (5, 2), (500, 2), (500, 8)])
def test_no_text_is_cut_or_covered(
    draw: Callable[[Tables, Axes | None], Axes],
    size_in: tuple[float, float],
    n: int,
    n_speakers: int,
) -> None:
    """From one turn to 500, from a column's width to a slide's: labels shorten or thin out."""
    assert_readable(draw(talk(n, n_speakers), axes(size_in)).figure)  # type: ignore[arg-type]


@pytest.mark.parametrize(("n", "n_speakers"), [(0, 1), (1, 1), (5, 2), (500, 8)])
def test_the_report_is_one_page_without_overlap(n: int, n_speakers: int) -> None:
    """Upright A4, the same order whatever there is."""
    figure = page(talk(n, n_speakers), title="an interview, with a name too long for the page " * 3)
    assert (8.27, 11.69) == tuple(figure.get_size_inches())
    assert_readable(figure)


def test_the_report_says_what_it_is_of() -> None:
    """Name, length, model, mode, number of turns; no percentile that too few values carry."""
    figure = drawn(page(talk(5), title="an interview"))
    head = written(figure.axes[0])
    assert "an interview" in head
    for fact in ("duration 0:", "model u3-rt-pro", "mode balanced", "5 turns"):
        assert fact in head
    cells = {pos: cell.get_text().get_text() for pos, cell in _table(figure).items()}
    assert ["", "column", "n", "p50", "p90", "p95"] == [cells[0, j] for j in range(6)]
    assert ["time to final", "ttfs_ms", "5"] == [cells[2, j] for j in range(3)]
    assert f"{talk(5)['turns']['ttfs_ms'].median():.0f}" == cells[2, 3]
    assert ("-", "-") == (cells[2, 4], cells[2, 5])


def test_the_report_shows_silences_where_no_floor_changes() -> None:
    """With one speaker the silences stand where else the floor transfers do."""
    titles = [ax.get_title(loc="left") for ax in page(talk(5, 1)).axes]
    assert any(title.startswith("Silences") for title in titles)
    assert not any(title.startswith("Floor") for title in titles)


def test_the_report_shows_itself_in_a_notebook() -> None:
    """Though pyplot does not know it, and so does not show it a second time."""
    assert page(talk(1))._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]


@pictures
def test_tables_are_not_changed(draw: Callable[[Tables, Axes | None], Axes]) -> None:
    """A picture only looks, even at a table with an index of its own."""
    tables, same = talk(5), talk(5)
    for table in (tables, same):
        table["turns"].index = [7, 7, 3, 2, 1]
    drawn(draw(tables, axes()).figure)  # type: ignore[arg-type]
    page(tables)
    assert np.array_equal(same["peaks"], tables["peaks"])
    for name in ("turns", "words", "partials"):
        pd.testing.assert_frame_equal(same[name], tables[name])


@pictures
@pytest.mark.parametrize("kept", ["columns", "nothing"])
def test_empty_tables_say_so(draw: Callable[[Tables, Axes | None], Axes], kept: str) -> None:
    """No turn yet, with the columns or without: a sentence, or empty lanes, never a traceback."""
    tables = talk(1) | {"peaks": np.zeros((0, 2), np.int16)}
    for name in ("turns", "words", "partials"):
        tables[name] = tables[name].iloc[:0] if kept == "columns" else pd.DataFrame()
    if draw is PICTURES["stability_turn"]:
        with pytest.raises(ParameterError, match="no turn 0"):
            draw(tables, axes())
        return
    assert "no" in written(draw(tables, axes(SMALL))).lower() or draw is PICTURES["turns"]


@pictures
def test_missing_values_are_survived(draw: Callable[[Tables, Axes | None], Axes]) -> None:
    """Latencies, times, speakers and texts that are all missing."""
    tables = talk(5)
    for name in ("turns", "words"):
        table = tables[name]
        figures = [c for c in table if str(c).endswith(("_ms", "_s"))]
        table[figures] = np.nan
        table["speaker"] = pd.array([pd.NA] * len(table), dtype="string")
    for name in ("turns", "partials"):
        tables[name]["transcript"] = pd.array([pd.NA] * len(tables[name]), dtype="string")
    assert_readable(draw(tables, axes(SMALL)).figure)  # type: ignore[arg-type]


@pictures
def test_text_is_never_math(
    draw: Callable[[Tables, Axes | None], Axes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A "$" in a name or a transcript is a "$", also in a legend; right-to-left text is drawn."""

    def parse(*args: object, **kwargs: object) -> None:
        raise AssertionError(f"read as math: {args[1]}")

    monkeypatch.setattr(MathTextParser, "parse", parse)
    tables = talk(5, 2, names=["$a$", "_$b_$"])
    drawn(draw(tables, axes(LARGE)).figure)  # type: ignore[arg-type]


@pictures
def test_a_dark_style_is_kept_to(draw: Callable[[Tables, Axes | None], Axes]) -> None:
    """What is written outside our own fills has the colour of the style's text."""
    import matplotlib.style

    with matplotlib.style.context("dark_background"):
        ax = draw(talk(12, 1), axes())
        drawn(ax.figure)  # type: ignore[arg-type]
        on_fills = {style.ink_on(fill) for fill in style.FILLS}
        assert {text.get_color() for text in ax.texts} <= {"white", *on_fills}
        outside = [text for text in texts(ax) if text not in ax.texts]
        assert {"white"} == {text.get_color() for text in outside}
        spines = [spine for spine in ax.spines.values() if spine.get_visible()]
        assert {1.0} == {channel for s in spines for channel in s.get_edgecolor()[:3]}


def test_neighbours_differ_in_grey() -> None:
    """Printed without colour, speakers next to each other still differ in lightness."""
    light = [style.lightness(fill) for fill in style.FILLS]
    assert all(abs(a - b) >= 14 for a, b in pairwise(light))
    assert 100 == pytest.approx(style.lightness("white"))
    assert 53.4 == pytest.approx(style.lightness("#7f7f7f"), abs=0.3)


def test_lines_differ_without_colour() -> None:
    """Each line has dashes of its own, and none is too pale on white or too dim on black."""
    assert len(style.LINES) == len({str(dashes) for _, dashes in style.LINES})
    assert all(40 <= style.lightness(color) <= 75 for color, _ in style.LINES)


def test_text_on_a_fill_can_be_read() -> None:
    """Ink on a speaker's colour is far from it in lightness, whatever the style."""
    for fill in style.FILLS:
        assert abs(style.lightness(fill) - style.lightness(style.ink_on(fill))) >= 40


def test_what_is_not_plain_is_hatched() -> None:
    """An open turn, an overlap and a revised word are told without colour."""
    ax = plots.turns(talk(5)["peaks"], talk(5)["turns"], ax=axes())
    spans = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    assert [None, None, None, None, style.HATCH] == [span.get_hatch() for span in spans]
    legend = plots.floor_transfers(talk(500)["turns"], ax=axes()).get_legend()
    assert legend is not None
    overlap, gap = legend.get_patches()[:2]
    assert (style.HATCH, None) == (overlap.get_hatch(), gap.get_hatch())
    ax = plots.stability(talk(5)["partials"], turn=0, ax=axes())
    assert {(style.CHANGED, style.HATCH), (style.PLAIN, None)} == {
        (_name(patch), patch.get_hatch()) for patch in ax.patches
    }


def test_turns_lie_in_the_lane_of_who_spoke() -> None:
    """One lane a speaker, named, in order of appearance; an unknown one comes last."""
    turns = pd.DataFrame(
        {"start_s": [0, 2.0, 4], "end_s": [1.5, 3, 5], "speaker": [None, "B", "A"]}
        | {"transcript": ["one", "two", "three"], "turn_order": [0, 1, 2]}
    )
    ax = plots.turns(np.zeros((500, 2), np.int16), turns, ax=axes(LARGE))
    drawn(ax.figure)  # type: ignore[arg-type]
    lanes = [tick.get_text() for tick in ax.get_yticklabels()]
    assert ["audio", "B", "A", "unknown"] == lanes
    assert [2, 0, 1] == [int(patch.get_y()) for patch in ax.patches]  # type: ignore[attr-defined]
    assert ["0 one", "1 two", "2 three"] == [text.get_text() for text in ax.texts]


def test_turns_are_drawn_within_what_is_asked_for() -> None:
    """A part of the recording shows the turns that reach into it."""
    tables = talk(20)
    row = tables["turns"].iloc[10]
    ax = plots.turns(
        tables["peaks"], tables["turns"], start_s=row.start_s + 0.1, end_s=row.end_s, ax=axes()
    )
    assert pytest.approx((row.start_s + 0.1, row.end_s)) == ax.get_xlim()
    assert f"{row.turn_order} " in written(ax)


@pytest.mark.parametrize("size_in", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("n", [0, 5, 500])
def test_numbers_of_turns_never_meet(size_in: tuple[float, float], n: int) -> None:
    """Over the waveform of a session, a turn too short for its number stands without."""
    rows = [
        TurnRow(0, i, i * 2.0, words=(Word("so", 0, 1500, 1.0, True),), is_final=i % 2 == 0)
        for i in range(n)
    ]
    peaks = np.full((200 * n, 2), 900, np.int16)
    ax = plots.session(peaks, rows, ax=axes(size_in), end_s=2.0 * n)
    assert_readable(ax.figure)  # type: ignore[arg-type]
    drawn = [kind for kind in ax.collections if isinstance(kind, PolyCollection)]
    spans = [len(kind.get_paths()) for kind in drawn if kind.get_zorder() == 0]
    assert [-(-n // 2), n // 2, n // 2] == spans  # one fill, the other, those still open


def test_a_speaker_label_of_two_channels_is_two_people() -> None:
    """Labels start anew on each channel, so they are told apart by it where they meet."""
    turns = pd.DataFrame({"speaker": ["A", "A", "B", None, "UNKNOWN"], "channel": [0, 1, 1, 0, 1]})
    expected = ["channel 0 A", "channel 1 A", "B", "channel 0", "channel 1"]
    assert expected == list(style.names_of(turns))
    assert ["A", "unknown"] == list(style.names_of(pd.DataFrame({"speaker": ["A", "PENDING"]})))
    assert ["speech"] == list(style.names_of(pd.DataFrame({"speaker": [None]})))


def test_no_bar_holds_overlaps_and_gaps() -> None:
    """Zero is an edge, each transfer is in a bar, and what is too far out is counted."""
    timing = pd.DataFrame({"fto_ms": [-250.0, -1, 0, 99, 100, np.nan, 60_000]})
    ax = plots.floor_transfers(timing, bin_ms=100, ax=axes())
    bars = {bar.get_x(): bar.get_height() for bar in ax.patches}  # type: ignore[attr-defined]
    assert {-300: 1, -100: 1, 0: 2, 100: 1} == bars
    shown = written(ax)
    for said in ("n = 6", "overlap: 2 (33%)", "gap: 4", "median 50 ms", "1 beyond ±5 s"):
        assert said in shown


def test_no_floor_transfer_says_why() -> None:
    """One speaker, or no turns: a sentence instead of an empty picture."""
    assert "two known speakers" in written(plots.floor_transfers(talk(5, 1)["turns"], ax=axes()))
    assert "no turns" in written(plots.floor_transfers(pd.DataFrame(), ax=axes()))
    apart = pd.DataFrame({"fto_ms": [np.nan] * 2, "speaker": ["A", "B"]})
    assert "follows" in written(plots.floor_transfers(apart, ax=axes()))


@pytest.mark.parametrize(("n", "marks"), [(1, []), (2, [0.5]), (9, [0.5]), (10, [0.5, 0.9])])
def test_a_percentile_is_marked_where_n_carries_it(n: int, marks: list[float]) -> None:
    """With fewer than 1 / (1 - q) values nothing is known of q."""
    values = np.arange(n, dtype=float)
    ax = plots.latencies(pd.DataFrame({"ttfs_ms": values}), ax=axes())
    points = [line for line in ax.lines if line.get_marker() in ("o", "^")]
    assert marks == [float(np.ravel(line.get_ydata())[0]) for line in points]
    for line, q in zip(points, marks, strict=True):
        assert np.quantile(values, q) == np.ravel(line.get_xdata())[0]


def test_n_is_said_of_each_line() -> None:
    """In the title if it is one for all, else with each line."""
    timing = pd.DataFrame({"ttfs_ms": [1.0, 2, 3], "delivery_ms": [1.0, 2, np.nan]})
    timing["speaker"] = ["A", "B", "A"]
    shown = written(plots.latencies(timing, ax=axes()))
    assert "ttfs_ms (n = 3)" in shown
    assert "delivery_ms (n = 2)" in shown
    assert "(n = 3)" in plots.latencies(timing, "ttfs_ms", ax=axes()).get_title(loc="left")
    shown = written(plots.latencies(timing, ["ttfs_ms", "delivery_ms"], by="speaker", ax=axes()))
    assert "A, ttfs_ms (n = 2)" in shown
    assert "B, delivery_ms (n = 1)" in shown


def test_a_name_with_an_underscore_is_in_the_legend() -> None:
    """Matplotlib leaves such labels out by itself."""
    timing = pd.DataFrame({"ttfs_ms": [1.0, 2, 3], "speaker": ["_b", "A", "_b"]})
    assert "_b (n = 2)" in written(plots.latencies(timing, by="speaker", ax=axes()))


def test_a_column_that_is_not_there_is_an_error() -> None:
    """A misspelled name is not an empty picture."""
    with pytest.raises(ParameterError, match="ttsf_ms"):
        plots.latencies(talk(2)["turns"], "ttsf_ms", ax=axes())
    with pytest.raises(ParameterError, match="colour"):
        plots.latencies(talk(2)["turns"], by="colour", ax=axes())


def test_cells_last_from_showing_a_word_to_changing_it() -> None:
    """What was taken back is marked wherever it stood; what moved or was carried on is not."""
    messages = ["wreck a nice", "wreck a nice beach", "recognise speech a nice beaches", "Nice."]
    partials = pd.DataFrame({"transcript": messages, "arrived_s": [1.0, 2, 3, 4]})
    found = [
        (cell.text, cell.place, cell.start_s, cell.end_s, cell.is_revised)
        for cell in cells(partials)
    ]
    assert [
        ("wreck", 0, 1, 3, True),
        ("a", 1, 1, 3, True),
        ("nice", 2, 1, 3, False),
        ("beach", 3, 2, 3, True),
        ("recognise", 0, 3, 4, True),
        ("speech", 1, 3, 4, True),
        ("a", 2, 3, 4, True),
        ("nice", 3, 3, 4, False),
        ("beaches", 4, 3, 4, True),
        ("Nice.", 0, 4, 4, False),
    ] == found
    growing = pd.DataFrame({"transcript": ["good some", "Good something"], "arrived_s": [1.0, 2]})
    assert [("Good", False), ("something", False)] == [
        (cell.text, cell.is_revised) for cell in cells(growing)
    ]


def test_a_turn_of_two_connections_has_to_be_told() -> None:
    """Turns are numbered anew on each connection."""
    twice = pd.concat([talk(1)["partials"], talk(1)["partials"].assign(connection=1)])
    with pytest.raises(ParameterError, match="2 turns 0") as error:
        plots.stability(twice, turn=0, ax=axes())
    assert "turn=(0, 0)" in error.value.hint
    plots.stability(twice, turn=(1, 0), ax=axes())


def test_the_overview_counts_words_and_revisions() -> None:
    """A bar up for the words of each turn's last message, one down for those taken back."""
    tables = talk(5)
    ax = plots.stability(tables["partials"], ax=axes())
    n_words = tables["words"].groupby("turn_order").size()
    n_revised = tables["partials"].groupby("turn_order")["n_revised"].sum()
    heights = [bar.get_height() for bar in ax.patches]  # type: ignore[attr-defined]
    assert [*n_words, *-n_revised.astype(int)] == heights


def test_talk_time_counts_each_second_of_a_speaker_once() -> None:
    """Bars are unions of turns; the part in which another speaks is hatched; shares add up."""
    turns = pd.DataFrame(
        {"start_s": [0, 1.0, 3, np.nan], "end_s": [2, 4.0, 6, np.nan]}
        | {"speaker": ["A", "A", "B", "B"]}
    )
    ax = plots.talk_time(turns, ax=axes())
    bars = [(b.get_width(), b.get_hatch()) for b in ax.patches]  # type: ignore[attr-defined]
    assert [(4, None), (1, style.HATCH), (3, None), (1, style.HATCH)] == bars
    shown = written(ax)
    assert "4.0 s, 57%, 2 turns" in shown
    assert "3.0 s, 43%, 2 turns" in shown


def test_importing_pictures_loads_no_matplotlib() -> None:
    """It is loaded when something is drawn."""
    code = "import sys, nbstream.plots; print('matplotlib' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "False" == ran.stdout.strip()


def _table(figure: Figure) -> dict[tuple[int, int], Any]:
    return next(dict(table.get_celld()) for ax in figure.axes for table in ax.tables)


def _name(patch: Any) -> str:
    ours = {to_rgb(fill): fill for fill in (style.PLAIN, style.CHANGED)}
    return ours[to_rgb(patch.get_facecolor())]
