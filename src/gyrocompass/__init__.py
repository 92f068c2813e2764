"""Trains language models to follow human intent, and measures how far their proxies pulled them off it."""

__version__ = "0.1.0"
