"""What runs the model's code: `choose.resolve_sandbox` finds one, `process` confines it."""
