"""The report's sections on studies, a module each, in the order of `sections.py`."""
