"""Embedded worlds whose true intent is known."""
