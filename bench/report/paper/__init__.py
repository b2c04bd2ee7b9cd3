"""The paper's tables and known differences, beside what was measured."""
