"""Enlarges people's images, and keeps no record of it."""
