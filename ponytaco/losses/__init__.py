"""Losses: Tacotron's, guided attention, MMI, and the gradient-adaptive factor (GAF)."""
