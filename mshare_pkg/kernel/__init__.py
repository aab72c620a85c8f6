"""From a distribution's kernel source to installable packages of a kernel with msharefs."""
