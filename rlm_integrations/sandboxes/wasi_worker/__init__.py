"""The worker of the WASI sandbox: a plain process that runs one component below wasmtime. Keep this empty."""
