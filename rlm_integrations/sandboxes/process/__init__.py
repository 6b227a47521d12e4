"""The host's side of the process sandbox; `process_worker` is the other."""
