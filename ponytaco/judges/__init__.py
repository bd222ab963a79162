"""Judges of speech: words understood (ASR, 1 - WER), predicted MOS, and speaker similarity.

Of the packages of the extra ``judge`` only data files are opened, by our own readers: two of them
cannot be imported in a present environment. Nothing is loaded before it is asked.
"""
