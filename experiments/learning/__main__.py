"""Which method makes attention learn, and how soon: recipes, trained on the same seeds and data.

``python -m experiments.learning DATASET FOLDER`` trains every recipe with every seed, keeps the
runs in ``FOLDER/<recipe>-<seed>``, and compares them in tables and a picture. After an interruption
or the end of ``--piece-minutes`` the same command continues; finished runs are not repeated.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

from benchmarks.report import Report
from experiments.learning import recipes as named
from experiments.learning import runs, summary
from experiments.learning.picture import draw
from ponytaco import config, presets
from ponytaco.errors import PonytacoError


def main() -> None:
    """Train the runs that are not finished, and report."""
    arguments = _arguments()
    try:
        failed = [] if arguments.report_only else _work(arguments)
        _report(_learners(arguments), arguments)
    except PonytacoError as error:
        sys.exit(str(error))
    if failed:
        sys.exit(f"{len(failed)} failed: {', '.join(one.name for one in failed)}.")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.learning", description=__doc__,
        epilog=f"Recipes: {'; '.join(f'{n} {dict(r)}' for n, r in named.RECIPES.items())}."
    )  # fmt: skip
    parser.add_argument("dataset", type=Path, help="a prepared character")
    parser.add_argument("folder", type=Path, help="where the runs are kept, to continue from")
    parser.add_argument(
        "--recipes", type=_words, metavar="A,B",
        help="which (each of those below; with --report-only those that FOLDER has)",
    )  # fmt: skip
    parser.add_argument(
        "--recipe", action="append", default=[], metavar="NAME:a=b,c=d", dest="own",
        help="one more, on top of the preset; as often as needed",
    )  # fmt: skip
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="settings",
        help="a setting of every recipe; as often as needed",
    )  # fmt: skip
    parser.add_argument("--preset", default="small", choices=presets.PRESETS)
    parser.add_argument("--seeds", type=_numbers, default=[1, 2, 3], metavar="1,2", help="(1,2,3)")
    parser.add_argument("--steps", type=_positive, default=1500, help="of each run (1500)")
    parser.add_argument("--every", type=_positive, default=100, help="from check to check (100)")
    parser.add_argument("--jobs", type=_positive, default=2, help="runs at the same time (2)")
    parser.add_argument("--max-clip-seconds", type=float, default=0.0, help="0 keeps all (0)")
    parser.add_argument(
        "--piece-minutes", type=float, default=0.0, metavar="M",
        help="training ends after that time, its last check and save come on top, and the same "
        "command goes on; 0 is no limit (0)",
    )  # fmt: skip
    parser.add_argument(
        "--listen", type=int, default=0, metavar="N",
        help="let pocketsphinx hear N new sentences of each finished run's best voice (0)",
    )  # fmt: skip
    parser.add_argument(
        "--sentences", type=Path, metavar="FILE", help="which, one a line (the demo's, or ours)"
    )
    parser.add_argument("--report-only", action="store_true", help="of what is there; no training")
    parser.add_argument("--save", action="store_true", help="write experiments/results")
    return parser.parse_args()


def _work(arguments: argparse.Namespace) -> list[runs.Learner]:
    """Train and listen; return the runs that failed."""
    for_all = config.parse_settings(arguments.settings)
    configs = named.configs(_chosen(arguments), arguments.preset, for_all)
    steps = {"max_steps": arguments.steps, "validate_every": arguments.every}
    if arguments.max_clip_seconds:
        steps["max_clip_seconds"] = arguments.max_clip_seconds
    # Seed by seed, so that recipes can be told apart before all seeds are done.
    todo = [
        (runs.learner(arguments.folder, name, seed), settings.replace(seed=seed, **steps))
        for seed in arguments.seeds
        for name, settings in configs.items()
    ]
    failed = runs.train(todo, arguments.dataset, arguments.jobs, arguments.piece_minutes, _log)
    finished = [one for one, _ in todo if one.has_reached(arguments.steps)]
    if arguments.listen and finished:
        sentences = runs.write_sentences(
            arguments.folder / "sentences.txt", arguments.listen, arguments.dataset,
            arguments.sentences,
        )  # fmt: skip
        device = for_all.get("device", "auto")
        failed += runs.listen(finished, arguments.dataset, sentences, arguments.jobs, device, _log)
    return failed


def _chosen(arguments: argparse.Namespace) -> dict[str, named.Recipe]:
    own = dict(named.parse_recipe(text) for text in arguments.own)
    names = list(named.RECIPES) if arguments.recipes is None else arguments.recipes
    return named.chosen(names, own)


def _learners(arguments: argparse.Namespace) -> list[runs.Learner]:
    """List the runs to report on, in the order of the tables."""
    if arguments.report_only and arguments.recipes is None and not arguments.own:
        learners = runs.found(arguments.folder)
    else:
        pairs = itertools.product(_chosen(arguments), arguments.seeds)
        learners = [runs.learner(arguments.folder, recipe, seed) for recipe, seed in pairs]
    order = list(dict.fromkeys([*named.RECIPES, *(one.recipe for one in learners)]))
    return sorted(learners, key=lambda one: (order.index(one.recipe), one.seed))


def _report(learners: list[runs.Learner], arguments: argparse.Namespace) -> None:
    begun = [(one, settings) for one in learners if (settings := one.config()) and one.rows()]
    if not begun:
        raise PonytacoError(f"There is no run with a history in {arguments.folder} yet.")
    outcomes = [
        summary.outcome(
            one.recipe, one.seed, one.rows(), arguments.steps, settings.train.validate_every,
            one.heard(),
        )
        for one, settings in begun
    ]  # fmt: skip
    data = arguments.dataset.resolve().name
    report = Report("experiments.learning", "Which method makes attention learn", data.lower())
    machines = dict.fromkeys(line for one, _ in begun for line in one.machines())
    report.log(
        f"{data}, preset {arguments.preset}, up to {arguments.steps:,} steps; runs of one seed "
        f"have the same data in the same order. Trained on {'; '.join(machines)}."
    )
    report.log(
        "Aligned is the project's one rule, asked of all validation clips when the decoder is fed "
        "the true frames, and of the first ones when it speaks freely. Medians, and ranges over "
        "the seeds; a run that is not aligned yet counts as later than any. Validation loss and "
        "what follows it are the last check's, speaking freely."
    )
    report.table(*summary.by_recipe(outcomes))
    report.table(*summary.details(outcomes))
    base = presets.preset(arguments.preset)
    of_recipe = {one.recipe: settings for one, settings in begun}
    report.log("What each recipe changes of the preset:")
    report.table(
        ["recipe", "settings"],
        [[name, ", ".join(named.changes(base, ours))] for name, ours in of_recipe.items()],
    )
    if missing := [one.name for one in learners if one not in dict(begun)]:
        report.log(f"Not begun yet: {', '.join(missing)}.")
    folder = report.folder if arguments.save else arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / f"learning_{data.lower()}.png"
    draw(outcomes).savefig(picture)
    report.log(f"![The runs' curves]({picture.name})")
    if arguments.save:
        report.save()


def _log(sentence: str) -> None:
    print(sentence, flush=True)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _numbers(text: str) -> list[int]:
    return [int(word) for word in _words(text)]


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError
    return number


if __name__ == "__main__":
    main()
