import io
import subprocess
import sys

import numpy as np
import pytest
from support.pictures import png_size

from ponytaco.plotting import (
    draw_mel,
    plot_alignment,
    plot_lengths,
    plot_mel,
    plot_validation,
)
from ponytaco.printable import printable

# What matplotlib warns of is drawn wrongly; its own use of pyparsing is not our business.
pytestmark = [
    pytest.mark.filterwarnings("error::UserWarning:ponytaco|matplotlib"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

RNG = np.random.default_rng(0)


def validation_figure(n_frames=40, n_symbols=12, r=2, gate=None):
    steps = -(-n_frames // r)
    return plot_validation(
        "step 100: aligned",
        RNG.dirichlet(np.ones(n_symbols), steps),
        RNG.dirichlet(np.ones(n_symbols), steps + 3),
        RNG.normal(size=(80, n_frames)).astype(np.float32),
        RNG.normal(size=(80, n_frames + 6)).astype(np.float32),
        RNG.random(n_frames + 6) if gate is None else gate,
    )


def labels(axes):
    return axes.get_title(), axes.get_xlabel(), axes.get_ylabel()


def test_a_validation_shows_attention_mels_and_gate():
    figure = validation_figure()
    assert min(png_size(figure)) > 400
    assert figure.get_suptitle() == "step 100: aligned"
    shown = [axes for axes in figure.axes if axes.axison]
    assert [labels(axes) for axes in shown] == [
        ("attention, fed the true frames", "decoder step", "symbol"),
        ("attention, speaking freely", "decoder step", "symbol"),
        ("mel of the clip", "frame", "mel band"),
        ("mel, speaking freely", "frame", "mel band"),
        ("gate: probability of the end", "frame", ""),
    ]
    low, high = shown[4].get_ylim()
    assert low <= 0 < 1 <= high


def test_time_goes_right_and_text_goes_up():
    weights = np.zeros((7, 4))
    weights[6, 1] = 1
    (axes,) = plot_alignment(weights, "one").axes
    (image,) = axes.images
    assert image.get_array().shape == (4, 7)
    assert image.get_array()[1, 6] == 1
    assert image.origin == "lower"
    assert axes.get_xlim() == (-0.5, 6.5)
    assert axes.get_ylim() == (-0.5, 3.5)


def test_both_mels_have_the_clips_colours():
    figure = validation_figure()
    mels = [axes for axes in figure.axes if axes.get_ylabel() == "mel band"]
    first, second = (axes.images[0].get_clim() for axes in mels)
    target = mels[0].images[0].get_array()
    assert first == second == pytest.approx((target.min(), target.max()))


def test_a_mel_has_its_bands_upwards():
    figure = plot_alignment(np.eye(2))
    axes = figure.axes[0]
    axes.clear()
    draw_mel(axes, np.arange(6.0).reshape(2, 3), "a mel")
    assert axes.images[0].get_array()[1, 2] == 5
    assert axes.images[0].origin == "lower"
    assert labels(axes) == ("a mel", "frame", "mel band")


def test_an_alignment_alone():
    figure = plot_alignment(RNG.dirichlet(np.ones(5), 9), "hello")
    assert labels(figure.axes[0]) == ("hello", "decoder step", "symbol")
    png_size(figure)
    assert plot_alignment(np.eye(3)).axes[0].get_title() == ""


@pytest.mark.parametrize(("n_frames", "n_symbols"), [(1, 12), (40, 1), (1, 1)])
def test_one_frame_and_one_symbol(n_frames, n_symbols):
    png_size(validation_figure(n_frames, n_symbols))
    png_size(plot_alignment(np.ones((n_frames, n_symbols)) / n_symbols))


def test_the_shortest_clip_of_all():
    one = np.ones((1, 1))
    png_size(plot_validation("t", one, one, np.zeros((80, 1)), np.zeros((80, 1)), np.ones(1)))


@pytest.mark.slow
def test_pyplot_is_never_imported():
    code = (
        "import io, sys, numpy as np\n"
        "from ponytaco.plotting import plot_alignment\n"
        "from ponytaco.runs.curves import plot_history\n"
        "plot_alignment(np.eye(3), 'a').savefig(io.BytesIO(), format='png')\n"
        "plot_history([{'step': 1, 'loss': 2.0}]).savefig(io.BytesIO(), format='png')\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_lengths_and_a_single_mel():
    assert png_size(plot_lengths([0.5, 1.0, 2.5])) == (660, 264)
    assert png_size(plot_mel(np.zeros((80, 30)), "clip")) == (770, 264)


@pytest.mark.parametrize("name", ["a$b$c", "$\\frac{", "x_1^2", "\\alpha", "$$", "\x1b[2J\u202e"])
def test_a_clips_name_is_no_formula(name):
    """With mathtext, an odd `$` raises an error when the picture is drawn."""
    weights = np.ones((4, 3))
    figures = [
        plot_alignment(weights, name),
        plot_mel(weights, name),
        plot_validation(name, weights, weights, weights, weights, np.ones(4)),
    ]
    for figure in figures:
        figure.savefig(io.BytesIO(), format="png")
        texts = [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]
        assert printable(name) in texts
