"""What runs in the component of the WASI sandbox: `repl/` in a Python of one thread, over one way to the host."""
