"""Safe reading of torch files: nothing in them runs."""
