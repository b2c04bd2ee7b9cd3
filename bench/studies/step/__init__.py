"""Training steps on every scan backend: time and memory."""
