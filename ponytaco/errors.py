"""The one base of every error that a user can cause."""


class PonytacoError(Exception):
    """Something that a user can mend: the text says what, where, and what to do next.

    The command line and the notebooks show just that text. Whatever else is raised, an ``OSError``
    aside, is a mistake in ponytaco and keeps its traceback.
    """
