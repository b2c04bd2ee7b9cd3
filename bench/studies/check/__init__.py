"""One network looked at as a submission to a challenge."""
