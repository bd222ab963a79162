"""One file that resumes or speaks: its format, warm starts, conversion between layouts."""
