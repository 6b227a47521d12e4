"""What this engine costs, beside what else there is. README.md says how to run it and what it found."""
