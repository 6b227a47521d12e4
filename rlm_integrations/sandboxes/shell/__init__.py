"""REPLs on a machine that only takes commands and files, such as another's sandbox. No kind of machine is known here.

A worker is left running there, and commands of some seconds carry bytes to and from it.
"""
