"""The first arrow: policies and people -> records."""
