"""The kernel selftests, run in a small QEMU guest of their own."""
