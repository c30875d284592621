"""Compares a Delta table, as `deltalake` and pyarrow read it, with one of a PostgreSQL-like database, as psycopg reads it."""

import datetime
import decimal
import json
import os
import sys

import deltalake
import psycopg

folder, table, key = sys.argv[1:]


def plain(value):
    if isinstance(value, datetime.datetime):
        return (value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)).astimezone(datetime.timezone.utc)
    return decimal.Decimal(repr(value)) if isinstance(value, float) else value


def by_key(rows):
    return {row[key]: {name: plain(value) for name, value in row.items()} for row in rows}


lake = deltalake.DeltaTable(folder).to_pyarrow_table()
with psycopg.connect(os.environ["WAREHOUSE_URL"], autocommit=True) as connection:
    columns = ", ".join(f'"{name}"' for name in lake.column_names)
    read = connection.execute(f"SELECT {columns} FROM {table}").fetchall()

expected = by_key(lake.to_pylist())
loaded = by_key(dict(zip(lake.column_names, row)) for row in read)
differences = [(name, expected.get(name), loaded.get(name)) for name in expected.keys() | loaded.keys()]
differences = [each for each in differences if each[1] != each[2]]
if differences or len(read) != lake.num_rows:
    sys.exit(f"{lake.num_rows} rows in the lake, {len(read)} in {table}; {len(differences)} differ, the first: {differences[:1]}")
print(json.dumps({"rows": len(read), "distinct": len(loaded)}))
