"""What everything else leans on: what a number belongs to, records and their store, tables, statistics."""
