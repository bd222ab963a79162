"""Processes that train together, forked from the test's own to save the imports."""

import multiprocessing
import os
import pickle
import socket

import torch

from ponytaco.training.distributed import joined


def in_processes(work, *arguments, n=2, seconds=120):
    """Call ``work(ranks, *arguments)`` in each; return the results, or the errors, by rank."""
    context = multiprocessing.get_context("fork")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(rank, pipe):
        torch.set_num_threads(1)
        os.environ.update(
            RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(n), MASTER_ADDR="127.0.0.1",
            MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo",
        )  # fmt: skip
        # Plain pickles: tensors sent by torch need a sender that lives until they are received.
        try:
            with joined(on_gpu=False) as ranks:
                pipe.send_bytes(pickle.dumps(work(ranks, *arguments)))
        except BaseException as error:
            pipe.send_bytes(pickle.dumps(error))

    pipes = [context.Pipe(duplex=False) for _ in range(n)]
    processes = [
        context.Process(target=run, args=(rank, send)) for rank, (_, send) in enumerate(pipes)
    ]
    for process in processes:
        process.start()
    try:
        results = []
        for receive, send in pipes:
            send.close()
            assert receive.poll(seconds), "a process hangs"
            try:
                results.append(pickle.loads(receive.recv_bytes()))
            except EOFError as died:
                results.append(died)
        return results
    finally:
        for process in processes:
            process.join(10)
            process.kill()
