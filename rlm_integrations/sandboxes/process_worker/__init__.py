"""What runs on the far side of the process sandbox: the helper, and the workers that it forks. It is imported without
site-packages: keep this empty."""
