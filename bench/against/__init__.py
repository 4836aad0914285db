"""Compare the work tree with a commit: make bench AGAINST=COMMIT.

Short runs of the two trees alternate, each a process of its own with that tree's code first on the path.
"""
