"""dlt: a merge of nested rows through Parquet on S3, twice."""
import os
import dlt
from dlt.destinations import redshift

stage = os.environ["SIM_STAGE"] + "/dlt"
os.environ.update({
    "DESTINATION__FILESYSTEM__BUCKET_URL": stage,
    "DESTINATION__FILESYSTEM__CREDENTIALS__AWS_ACCESS_KEY_ID": os.environ["AWS_ACCESS_KEY_ID"],
    "DESTINATION__FILESYSTEM__CREDENTIALS__AWS_SECRET_ACCESS_KEY": os.environ["AWS_SECRET_ACCESS_KEY"],
    "DESTINATION__FILESYSTEM__CREDENTIALS__ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"],
    "DESTINATION__FILESYSTEM__CREDENTIALS__REGION_NAME": os.environ["AWS_REGION"],
    "RUNTIME__DLTHUB_TELEMETRY": "false",
})
warehouse = redshift(credentials=os.environ["SIM_URL"].replace("postgres://", "postgresql://"))


@dlt.resource(name="posts", primary_key="id", write_disposition="merge")
def posts(version):
    for number in range(8):
        yield {"id": number, "title": f"tïtle {number} {version}", "score": number / 2, "created": "2026-01-01T00:00:00Z",
               "tags": [{"tag": "a"}, {"tag": "b"}]}


pipeline = dlt.pipeline("sim", destination=warehouse, staging="filesystem", dataset_name="dlt_posts", pipelines_dir="pipelines")
for version in (1, 2):
    info = pipeline.run(posts(version), loader_file_format="parquet")
    info.raise_on_failed_jobs()
with pipeline.sql_client() as client:
    assert client.execute_sql("SELECT count(*), count(DISTINCT id) FROM posts")[0] == (8, 8)
    assert client.execute_sql("SELECT count(*) FROM posts__tags")[0] == (16,)
    assert client.execute_sql("SELECT title FROM posts WHERE id = 3")[0] == ("tïtle 3 2",)
