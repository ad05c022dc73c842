"""Arrow IPC streams as a sender makes them."""

import pyarrow as pa


def stream(columns, batch_rows=None, **options):
    """Columns, arrays or lists by name, as one stream, of batches of so many rows."""
    table = pa.table({name: each if isinstance(each, pa.Array) else pa.array(each) for name, each in columns.items()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=batch_rows)
    return sink.getvalue().to_pybytes()
