"""Pure functions on tensors and arrays: every formula of the project stands here once."""
