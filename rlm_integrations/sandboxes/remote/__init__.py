"""REPLs on other machines, by whatever engine starts objects there and calls their methods.

On each machine a pool holds REPLs of the process sandbox; the run stays in the caller's process.
"""
