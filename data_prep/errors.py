"""How an error of ours looks in a notebook."""


def sentence_alone(error: Exception) -> list[str]:
    """What IPython prints for an error, without the traceback: it asks for `_render_traceback_`."""
    return [f"\N{WARNING SIGN} {error}"]
