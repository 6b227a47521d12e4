"""The journal: what runs paid for, kept in a file before it is used, so that a run goes on after a kill."""
