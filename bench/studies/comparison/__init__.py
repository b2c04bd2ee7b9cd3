"""Two networks timed against each other, or one against its past: rounds, intervals, verdicts, their record."""
