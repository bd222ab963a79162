"""Voices for others: bundles with a card, NVIDIA's layout, torch.export, GTA mels."""
