"""A GPU lent for minutes, on a machine that reaches nothing: what is taken along, run there and brought back."""
