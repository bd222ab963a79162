"""From archives and recordings of a character to a dataset folder that ponytaco reads."""
