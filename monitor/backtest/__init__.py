"""What a configuration would have done: history or stored panes replayed through the code that judges live traffic.

It reads and computes; it writes no file, talks to no daemon and changes no setting.
"""
