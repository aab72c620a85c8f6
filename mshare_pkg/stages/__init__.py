"""The stages that `make` runs one after the other, and the checks of `make lint`.

All of it but the tools that it starts is standard library only: `make setup` runs before there is a .venv.
"""
