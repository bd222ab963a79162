"""What stands for CUDA graphs on a CPU: a recording is the function on its static tensors."""

import torch

from ponytaco.model.cuda_graphs import Graphs

CPU = torch.device("cpu")


class StandIn:
    """Captures by keeping the function, and counts."""

    def __init__(self):
        self.captured = self.replayed = 0

    def __call__(self, compute):
        compute()  # the warm-up, which leaves its results in the static tensors
        self.captured += 1

        def replay():
            self.replayed += 1
            compute()

        return replay


def make_graphs(capture=None, **options):
    """Return graphs on the CPU, and the list that their messages go to."""
    messages = []
    return Graphs(CPU, messages.append, capture or StandIn(), **options), messages
