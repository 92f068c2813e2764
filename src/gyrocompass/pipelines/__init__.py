"""Whole roads, each a short function over a run folder."""
