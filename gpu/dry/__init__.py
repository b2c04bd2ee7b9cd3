"""A GPU that is not there: everything up to a kernel's launch happens, and the launch does not."""
