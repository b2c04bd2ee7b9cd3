"""Scores and ranks: of the networks measured here, and of challenges' entries."""
