"""What msharefs costs those that do not use it: instructions, counted on kernels without and with it."""
