"""What the daemon shows to Prometheus: a snapshot of plain values goes in, finished bytes come out.

Law: nothing here measures, decides or waits for the daemon; a value that is not known has no sample, never a zero.
"""
