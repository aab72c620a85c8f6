"""What msharefs saves and costs beside a memfd and huge pages: measured in a guest, compared in one run."""
