"""Runs: their folders, histories, states and alignment movies."""
