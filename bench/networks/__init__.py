"""A network by its name or its author's file, opened and run in a process of its own."""
