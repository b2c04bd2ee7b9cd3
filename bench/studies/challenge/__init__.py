"""Measures the submissions of a challenge checkout, each in a process and a copy of its own.

`layout` reads the checkout; `sandbox` holds a submission's process; in that process run `child`, `submission` and
`stand_ins`, which know nothing of this project's own networks; `session` goes over the teams and writes their records.
"""
