"""Crops of networks' images at places chosen by measurement."""
