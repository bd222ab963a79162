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
