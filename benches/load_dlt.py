"""Loads a CSV of benches/postgres.sh into a table by dlt, from Arrow batches: load_dlt.py FILE URL TABLE"""

import sys

import dlt
import pyarrow as pa
import pyarrow.csv as csv

file, url, table = sys.argv[1:]
types = {"score": pa.int64(), "upvote_ratio": pa.float64(), "num_comments": pa.int64(), "created_at": pa.timestamp("us"), "is_self": pa.bool_()}
options = csv.ConvertOptions(column_types=types, true_values=["true"], false_values=["false"])
pipeline = dlt.pipeline("bench", destination=dlt.destinations.postgres(url), dataset_name="public")


@dlt.resource(name=table, write_disposition="append")
def rows():
    yield from (pa.Table.from_batches([batch]) for batch in csv.open_csv(file, convert_options=options))


pipeline.run(rows(), loader_file_format="csv")
