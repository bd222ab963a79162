import pytest
from support.pictures import png_size

from ponytaco.runs.curves import plot_history


def test_a_history_by_step():
    rows = [
        {"step": 10, "loss": 3.0, "mi": 5.0, "guidance": 0.5},
        {"step": 20, "loss": 2.0, "mi": 4.0, "val_loss": 2.5, "focus": 0.4, "free_focus": 0.3,
         "free_coverage": 0.2, "free_forward": 0.9},
        {"step": 30, "loss": 1.0},
    ]  # fmt: skip
    figure = plot_history(rows)
    png_size(figure)
    losses, scores = figure.axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in losses.lines}
    assert lines == {
        "training": [[10, 3], [20, 2], [30, 1]],
        "validation": [[20, 2.5]],
        "guidance": [[10, 0.5]],
        "MMI": [[10, 5], [20, 4]],
    }
    assert losses.get_yscale() == "log"
    assert losses.get_title() == "losses"
    assert scores.get_xlabel() == "step"
    assert len(scores.lines) == 4
    assert losses.get_legend() is not None


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [{"step": 1}],
        [{"step": 1, "loss": 2.0}],
        [{"step": 1, "focus": 0.0}],
        [{"step": 1, "loss": 2.0, "mi": 0.0}],
        [{"step": 1, "loss": float("nan")}, {"step": 2, "loss": 1.0}],
    ],
)
def test_a_short_or_odd_history(rows):
    png_size(plot_history(rows))


def test_a_lone_point_can_be_seen():
    losses, _ = plot_history([{"step": 10, "loss": 3.0, "val_loss": 2.0}]).axes
    assert all(line.get_marker() not in ("None", None, "", " ") for line in losses.lines)


def test_what_judges_hear_has_a_place_of_its_own_with_the_clips_dashed():
    heard = {"understood": 0.6, "mos": 2.0, "likeness": 0.8, "listening_share": 0.01,
             "clips_understood": 0.96, "clips_mos": 4.5, "clips_likeness": 0.9}  # fmt: skip
    rows = [{"step": 10, "loss": 3.0}, {"step": 20, **heard}]
    _, _, axes = plot_history(rows).axes
    values = [float(line.get_ydata()[0]) for line in axes.lines]
    assert values == pytest.approx([0.6, 0.96, 0.4, 0.9, 0.8, 0.9])
    assert [line.get_linestyle() for line in axes.lines] == ["-", "--"] * 3
    # A judge that is missing has no line.
    _, _, axes = plot_history([{"step": 20, "understood": 0.6, "listening_share": 0.01}]).axes
    assert len(axes.lines) == 1
