"""awswrangler: copy (overwrite, append, upsert), to_sql, and unload, all through S3."""
import os
import awswrangler as wr
import pandas as pd
import redshift_connector

wr.config.s3_endpoint_url = os.environ["AWS_ENDPOINT_URL"]
role = os.environ["SIM_ROLE"].split("'")[1]
stage = os.environ["SIM_STAGE"] + "/wrangler/"
connection = redshift_connector.connect(host="127.0.0.1", port=int(os.environ["SIM_PORT"]), user="awsuser", database="dev",
                                        password=os.environ["SIM_PASSWORD"], ssl=False)
frame = pd.DataFrame({"id": [1, 2, 3], "name": ["a", "bé", None], "at": pd.to_datetime(["2026-01-01", "2026-01-02", None])})
frame["at"] = frame["at"].astype("datetime64[us]")


def copy(rows, mode, **more):
    wr.redshift.copy(df=rows, path=stage, con=connection, table="wrangled", schema="public", iam_role=role, mode=mode, **more)


def rows():
    read = wr.redshift.read_sql_query("SELECT id, name FROM public.wrangled ORDER BY id", con=connection)
    return [(int(a), b if isinstance(b, str) else None) for a, b in read.itertuples(index=False)]


copy(frame, "overwrite")
copy(frame.assign(id=[4, 5, 6]), "append")
assert [identity for identity, _ in rows()] == [1, 2, 3, 4, 5, 6], rows()
copy(frame.assign(name=["A", "B", "C"], id=[1, 2, 7]), "upsert", primary_keys=["id"])
assert rows() == [(1, "A"), (2, "B"), (3, None), (4, "a"), (5, "bé"), (6, None), (7, "C")], rows()
wr.redshift.to_sql(df=frame[["id", "name"]].head(2), con=connection, table="small", schema="public", mode="overwrite", use_column_names=True)
wr.redshift.to_sql(df=pd.DataFrame({"id": [2], "name": ["two"]}), con=connection, table="small", schema="public", mode="upsert",
                   primary_keys=["id"], use_column_names=True)
read = wr.redshift.unload("SELECT * FROM public.wrangled", path=stage + "unloaded/", con=connection, iam_role=role)
assert sorted(int(n) for n in read["id"]) == [1, 2, 3, 4, 5, 6, 7], read
small = wr.redshift.read_sql_query("SELECT name FROM public.small ORDER BY id", con=connection)
assert list(small["name"]) == ["a", "two"], small
