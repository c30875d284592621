"""sling: a table made anew from a file through CSV on S3, then rows merged into it by key."""
import json
import os
import pathlib
import subprocess
import sys

import redshift_connector

home = pathlib.Path.cwd()
program = next(path for path in pathlib.Path(sys.prefix).rglob("sling-linux-*") if path.is_file())
program.chmod(0o755)
bucket = os.environ["SIM_STAGE"].removeprefix("s3://").split("/")[0]
environment = os.environ | {
    "HOME": str(home),
    "SLING_DISABLE_TELEMETRY": "true",
    "SIM": json.dumps({
        "type": "redshift",
        "url": os.environ["SIM_URL"].replace("postgres://", "redshift://"),
        "aws_bucket": bucket,
        "aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
        "aws_region": os.environ["AWS_REGION"],
        "endpoint": os.environ["AWS_ENDPOINT_URL"],
    }),
}


def load(rows, *arguments):
    pathlib.Path("rows.csv").write_text("id,title,score,changed\n" + "".join(f"{n},tïtle {n} {v},{n * 1.5},2026-01-0{v} 00:00:01\n" for n, v in rows))
    source = f"file://{home}/rows.csv"
    subprocess.run([program, "run", "--src-stream", source, "--tgt-conn", "SIM", "--tgt-object", "public.slung", *arguments],
                   env=environment, check=True)


load([(n, 1) for n in range(20)], "--mode", "full-refresh")
load([(n, 2) for n in range(15, 25)], "--mode", "incremental", "--primary-key", "id", "--update-key", "changed")
with redshift_connector.connect(host="127.0.0.1", port=int(os.environ["SIM_PORT"]), user="awsuser", password=os.environ["SIM_PASSWORD"],
                                database="dev", ssl=False) as connection:
    cursor = connection.cursor()
    cursor.execute("SELECT count(*), count(DISTINCT id), sum(CASE WHEN changed >= '2026-01-02' THEN 1 ELSE 0 END), max(title) FROM slung")
    assert list(cursor.fetchone()) == [25, 25, 10, "tïtle 9 1"], cursor.fetchall()
    cursor.execute("SELECT title, score FROM slung WHERE id = 15")
    title, score = cursor.fetchone()
    assert (title, float(score)) == ("tïtle 15 2", 22.5), (title, score)
