"""The functions and modules of mamba-ssm and causal-conv1d, by their names and signatures, on this project's scan.

They run on any device. `models.scan.drop_in` lets networks import them under the original names. Shapes: b batch, d
channels, L tokens, n states, g groups.
"""
