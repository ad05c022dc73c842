"""Arrow rows judged column by column: no Python object a row, and the answers that row by row would have given.

`judge` is the way in; every other file judges one part of the rows.
"""
