"""What a worker and its host say to each other. A helper imports parts of it without site-packages: keep this empty."""
