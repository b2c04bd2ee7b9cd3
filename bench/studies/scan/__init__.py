"""Every scan backend over lengths, batches and directions: time against floors, memory, errors."""
