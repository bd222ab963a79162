"""A finished run -> how good its voice is: numbers, a page, and reasons."""

from ponytaco.evaluation.results import Results
from ponytaco.evaluation.scoring import Evaluation, EvaluationError, evaluate, summary

__all__ = ["Evaluation", "EvaluationError", "Results", "evaluate", "summary"]
