"""What runs on a machine that only takes commands: a relay, and the worker below it. Keep this empty."""
