"""Size and direction of the MMI loss's gradients, compared with the synthesis loss's.

``python -m experiments.gradients DATASET FOLDER`` trains the recipe mmi, and stops at some steps to
analyse the gradients of the parts of the model that align. The direction to alignment is known
there: it is the gradient of the guidance loss, which this recipe does not train on.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.report import Report, options
from experiments.learning.recipes import RECIPES
from ponytaco.checkpoint.format import Checkpoint, load_checkpoint
from ponytaco.data.dataset import ClipDataset, open_datasets
from ponytaco.data.dataset_folder import read_dataset
from ponytaco.data.loader import Batch, collate
from ponytaco.data.sampler import BucketSampler
from ponytaco.losses.gaf import gradient_adaptive_factor
from ponytaco.losses.guided_attention import attention_targets, guided_attention_loss
from ponytaco.losses.mmi import drop_frames, mmi_loss
from ponytaco.losses.tacotron import tacotron_loss
from ponytaco.model.tacotron2 import Tacotron2
from ponytaco.presets import preset
from ponytaco.runs.folder import Run
from ponytaco.training.loop import train

_PARTS: Mapping[str, tuple[str, ...]] = {
    "encoder": ("embedding.", "encoder."),
    "attention": ("decoder.attention_rnn.", "decoder.attention_layer."),
    "prenet": ("decoder.prenet.",),
}
_LOSSES = ("synthesis", "recogniser", "guidance")


def main() -> None:
    """Train, stop and report."""
    parser = options(__doc__)
    parser.add_argument("dataset", type=Path, help="a prepared character with phone times")
    parser.add_argument("folder", type=Path, help="where the run is kept")
    parser.add_argument("--steps", default="50,200,600", help="where to halt (50,200,600)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    n_batches = 2 if arguments.quick else 16
    run = Run(arguments.folder)
    config = preset("small").replace(**RECIPES["mmi"], seed=arguments.seed, validate_every=100)
    report = Report("experiments.gradients", "What the recogniser tells the attention")
    report.log(
        f"{arguments.dataset.name}, preset small, recipe mmi (nothing else helps the attention), "
        f"seed {arguments.seed}; gradients of {n_batches} batches of 16 clips, averaged. Size is "
        "the recogniser's beside the synthesis loss's, before and after the factor "
        f"({config.train.max_gaf} at most). Directions are cosines: 1 is the same way, 0 "
        "neither for nor against; the guidance's is the way to alignment."
    )
    for step in map(int, arguments.steps.split(",")):
        train(arguments.dataset, run, config.replace(max_steps=step), log=lambda sentence: None)
        checkpoint = load_checkpoint(run.current_model)
        gradients = mean_gradients(checkpoint, arguments.dataset, n_batches)
        synthesis, recogniser = gradients["synthesis"], gradients["recogniser"]
        theirs = [recogniser.get(name) for name in synthesis]
        factor = float(gradient_adaptive_factor(synthesis.values(), theirs, torch.inf))
        report.log(
            f"At step {checkpoint.run_state.step:,}; the factor without its cap: {factor:.3g}."
        )
        report.table(
            ("part", "size", "with the factor", "recogniser and synthesis",
             "synthesis and guidance", "recogniser and guidance"),
            [(part, *compared(gradients, prefixes, min(factor, config.train.max_gaf)))
             for part, prefixes in _PARTS.items()],
        )  # fmt: skip
    if arguments.save:
        report.save()


def mean_gradients(
    checkpoint: Checkpoint, dataset: Path, n_batches: int
) -> dict[str, dict[str, Tensor]]:
    """Compute the gradients of each loss by parameter, averaged over some batches."""
    model = checkpoint.build_model().train()
    model.load_state_dict(checkpoint.trained or checkpoint.state_dict)
    settings = checkpoint.config.train
    data = open_datasets(
        [read_dataset(dataset)],
        checkpoint.config.audio,
        checkpoint.symbols,
        settings.cleaner,
        print,
    )
    torch.manual_seed(settings.seed)
    sums: dict[str, dict[str, Tensor]] = {loss: {} for loss in _LOSSES}
    for batch in _batches(data.train, settings.batch_size, settings.seed)[:n_batches]:
        losses = _losses(model, checkpoint, batch)
        for name, loss in losses.items():
            model.zero_grad(set_to_none=True)
            loss.backward(retain_graph=True)
            for parameter_name, parameter in model.named_parameters():
                if parameter.grad is not None:
                    total = sums[name].setdefault(parameter_name, torch.zeros_like(parameter))
                    total += parameter.grad / n_batches
    return sums


def compared(
    gradients: Mapping[str, Mapping[str, Tensor]], prefixes: tuple[str, ...], factor: float
) -> tuple[float, ...]:
    """Compute a part's row of the table, over the parameters that all three losses train."""
    names = [
        name
        for name in gradients["guidance"]
        if name.startswith(prefixes) and all(name in gradients[loss] for loss in _LOSSES)
    ]
    synthesis, recogniser, guidance = (
        torch.cat([gradients[loss][name].flatten() for name in names]) for loss in _LOSSES
    )
    size = float(recogniser.norm() / synthesis.norm())
    pairs = ((recogniser, synthesis), (synthesis, guidance), (recogniser, guidance))
    return size, factor * size, *(float(torch.cosine_similarity(*pair, dim=0)) for pair in pairs)


def _batches(dataset: ClipDataset, size: int, seed: int) -> list[Batch]:
    sampler = BucketSampler(dataset.lengths, size, seed, p_arpabet=1.0)
    return [collate([dataset[pick] for pick in picks]) for picks in sampler.remaining()]


def _losses(model: Tacotron2, checkpoint: Checkpoint, batch: Batch) -> dict[str, Tensor]:
    settings = checkpoint.config.train
    mel = drop_frames(batch.mel, checkpoint.mean_frame, settings.drop_frame_rate)
    out = model(batch.text, batch.text_lengths, mel, batch.mel_lengths)
    r = model.decoder.n_frames_per_step
    targets = attention_targets(batch.intervals, batch.mel_lengths, -(-batch.mel.shape[2] // r), r)
    assert model.mi is not None
    return {
        "synthesis": tacotron_loss(
            out.mel, out.mel_postnet, out.gate, batch.mel, batch.mel_lengths, settings.gate_weight
        ).total,
        "recogniser": mmi_loss(
            model.mi(out.hidden), batch.mel_lengths, batch.ctc, batch.ctc_lengths
        ),
        "guidance": guided_attention_loss(out.alignment, targets),
    }


if __name__ == "__main__":
    main()
