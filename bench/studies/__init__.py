"""Studies beyond one network's record, a folder each: what is measured (study), what is kept of it (record)."""
