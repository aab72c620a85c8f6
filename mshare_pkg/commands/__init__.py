"""The commands of `mshare`, one module for each noun; each module has a click command named `command`."""
