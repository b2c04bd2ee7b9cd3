"""What scan backend, precision and fusion change in a network's images."""
