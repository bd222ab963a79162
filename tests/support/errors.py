"""Errors that no user causes, though each is a subclass of ValueError."""

import json

import numpy as np

BUGS = (
    np.exceptions.AxisError(3, 2),
    json.JSONDecodeError("Expecting value", "", 0),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
)
