"""One network as a submission to a challenge: its verdict on one screen."""
