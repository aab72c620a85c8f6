"""The signed apt repository that hosts install from."""
