"""The process sandbox. The helper imports parts of this package without site-packages: keep this file empty."""
