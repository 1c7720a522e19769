"""What the processes say on standard error, and what of it nobody is to read.

It stands outside of `app` and `tasks`: the process that forks the web processes loads it, and needs none of theirs.
"""
