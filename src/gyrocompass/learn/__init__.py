"""The second arrow: records -> a policy or a scorer. Every method runs in the one loop of `loop.py`."""
