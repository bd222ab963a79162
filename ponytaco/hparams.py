"""Names that other programs give to our settings: NVIDIA's, bfs18's and HiFi-GAN's hparams."""

from __future__ import annotations

import types
from collections.abc import Mapping

RENAMED: Mapping[str, str] = types.MappingProxyType(
    {
        "sampling_rate": "sample_rate",
        "filter_length": "n_fft",
        "n_mel_channels": "n_mels",
        "mel_fmin": "f_min",
        "mel_fmax": "f_max",
        "hop_size": "hop_length",
        "win_size": "win_length",
        "num_mels": "n_mels",
        "fmin": "f_min",
        "fmax": "f_max",
        "grad_clip_thresh": "max_grad_norm",
        "use_mmi": "mmi",
        "update_gaf_every_n_step": "gaf_every",
        "num_workers": "loader_workers",
    }
)
"""Settings of the same meaning and unit: their name, and ours."""

_SPEAKING = "it belongs to speaking"
_ALWAYS = "there is nothing to set"

ELSEWHERE: Mapping[str, str] = types.MappingProxyType(
    {
        "use_gaf": "use_gaf=False, a constant factor of 1, is mmi_weight=1; with mmi_weight=0 the "
        "gradient-adaptive factor is used",
        "global_mean_npy": f"{_ALWAYS}: the mean frame is computed from the data set and kept in "
        "the checkpoint",
        "epochs": "training counts steps: set max_steps",
        "iters_per_checkpoint": "set validate_every for the steps between validations, and "
        "save_every_minutes for the time between saves",
        "fp16_run": "set precision: float16, bfloat16, float32, or auto",
        "fp16_run_optlvl": "set precision: float16, bfloat16, float32, or auto",
        "dynamic_loss_scaling": f"{_ALWAYS}: with precision=float16 the loss is always scaled",
        "distributed_run": "start training with torchrun, which uses all GPUs",
        "dist_backend": "start training with torchrun, which uses all GPUs",
        "dist_url": "start training with torchrun, which uses all GPUs",
        "n_gpus": "start training with torchrun, which uses all GPUs",
        "cudnn_enabled": _ALWAYS,
        "cudnn_benchmark": _ALWAYS,
        "ignore_layers": f"{_ALWAYS}: a warm start maps the symbols by their sign, and reports "
        "what does not fit",
        "warm_start": "it is an option: --warm-start VOICE",
        "checkpoint_path": "the same command resumes a run; --warm-start VOICE begins with another "
        "voice",
        "output_directory": "the run's folder is an argument: ponytaco train DATASET RUN",
        "log_directory": "the folder of TensorBoard's files is an option: --tensorboard FOLDER",
        "load_mel_from_disk": f"{_ALWAYS}: mels are computed once and cached",
        "cache_mel": f"{_ALWAYS}: mels are computed once and cached",
        "training_files": "the dataset's folder is an argument, and its list is named train.txt",
        "validation_files": "the dataset's folder is an argument, and its list is named val.txt",
        "text_cleaners": "set cleaner: english, transliteration or basic",
        "max_wav_value": _ALWAYS,
        "n_symbols": f"{_ALWAYS}: the table of symbols is fixed",
        "max_decoder_steps": f"{_SPEAKING}: ponytaco speak --max-seconds",
        "gate_threshold": f"{_SPEAKING}: ponytaco speak --gate-threshold",
        "sigma": f"{_SPEAKING}, and is fixed there",
        "mask_padding": f"{_ALWAYS}: padding never counts in the losses",
        "use_saved_learning_rate": f"{_ALWAYS}: the learning rate follows from the step; see "
        "learning_rate, decay_start and decay_steps",
        "learning_rate_decay": "set decay_start, decay_steps and min_learning_rate",
        "dict_path": "prepare the data set with the dictionary, or give it to speak: "
        "ponytaco speak --dictionary FILE",
        "n_speakers": f"{_ALWAYS}: a voice has one speaker",
        "speaker_embedding_dim": f"{_ALWAYS}: a voice has one speaker",
        "gate_positive_weight": "set gate_weight",
        "p_AttRNN_hidden_dropout": "set p_attention_dropout",
        "p_DecRNN_hidden_dropout": "set p_decoder_dropout",
    }
)
"""Names without such a setting, and what there is instead, as a clause."""


def pointer(name: str) -> str:
    """Return a sentence on what a setting of another program is here; '' if it is unknown."""
    name = {known.lower(): known for known in (*RENAMED, *ELSEWHERE)}.get(name.lower(), name)
    if name in RENAMED:
        return f"{name} is called {RENAMED[name]} here."
    if name in ELSEWHERE:
        return f"{name} is a name of other programs; here, {ELSEWHERE[name]}."
    return ""
