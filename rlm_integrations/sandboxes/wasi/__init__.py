"""The WASI sandbox: CPython in WebAssembly, on every platform that wasmtime has wheels for."""
