"""Hugging Face causal LMs as policies and scorers: chat templates, batching, sampling, heads."""
