"""dbt: seeds, views, tables, incremental models of both strategies, a snapshot and tests, built twice."""
import os
import pathlib
import subprocess
import sys

files = {
    "dbt_project.yml": """
name: sim
version: '1.0'
config-version: 2
profile: sim
flags: {send_anonymous_usage_stats: false}
models: {+materialized: table}
""",
    "profiles.yml": f"""
sim:
  target: sim
  outputs:
    sim: {{type: redshift, host: 127.0.0.1, port: {os.environ['SIM_PORT']}, user: awsuser, password: '{os.environ['SIM_PASSWORD']}',
          dbname: dev, schema: dbt, threads: 2, sslmode: disable, autocommit: true}}
""",
    "seeds/raw_posts.csv": "id,title,score,created\n" + "".join(f"{n},tïtle {n},{n * 1.5},2026-01-0{n + 1} 00:00:00\n" for n in range(8)),
    "models/shown.sql": "{{ config(materialized='view') }} select * from {{ ref('raw_posts') }} where score > 1",
    "models/late.sql": "{{ config(materialized='view', bind=False) }} select id, title from {{ ref('shown') }}",
    "models/kept.sql": "{{ config(dist='id', sort=['created'], sort_type='compound') }} select id, title, score, created from {{ ref('shown') }}",
    "models/grown.sql": """
{{ config(materialized='incremental', unique_key='id', incremental_strategy='delete+insert', on_schema_change='append_new_columns') }}
select id, title, {{ var('version') }} as version {% if var('version') > 1 %}, score {% endif %} from {{ ref('shown') }}
{% if is_incremental() %} where id > (select max(id) - 3 from {{ this }}) {% endif %}""",
    "models/merged.sql": """
{{ config(materialized='incremental', unique_key='id', incremental_strategy='merge') }}
select id, title, {{ var('version') }} as version from {{ ref('shown') }}""",
    "models/schema.yml": """
models:
  - name: kept
    description: those that are kept
    config: {persist_docs: {relation: true, columns: true}, grants: {select: [reader]}}
    columns: [{name: id, description: the number, data_tests: [unique, not_null]}]
""",
    "snapshots/history.sql": """{% snapshot history %}{{ config(target_schema='dbt', unique_key='id', strategy='check', check_cols=['version']) }}
select id, version from {{ ref('merged') }}{% endsnapshot %}""",
}
for name, text in files.items():
    path = pathlib.Path("project", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)

import redshift_connector

connection = redshift_connector.connect(
    host="127.0.0.1", port=int(os.environ["SIM_PORT"]), user="awsuser", password=os.environ["SIM_PASSWORD"], database="dev", ssl=False)
connection.autocommit = True
cursor = connection.cursor()
cursor.execute("CREATE USER reader PASSWORD 'Reader123'")
dbt = pathlib.Path(sys.executable).parent / "dbt"
for version in (1, 2):
    for command in (["build"], ["docs", "generate"]):
        arguments = [*command, "--vars", f"version: {version}", "--profiles-dir", ".", "--no-use-colors"]
        subprocess.run([dbt, *arguments], cwd="project", check=True)


def rows(query):
    cursor.execute(query)
    return [tuple(row) for row in cursor.fetchall()]


assert rows("SELECT count(*), count(DISTINCT id) FROM dbt.kept") == [(7, 7)]
assert rows("SELECT id, title, version FROM dbt.merged WHERE id = 3") == [(3, "tïtle 3", 2)]
assert rows("SELECT version, count(*), count(score) FROM dbt.grown GROUP BY 1 ORDER BY 1") == [(1, 4, 0), (2, 3, 3)]
assert rows("SELECT count(*), count(dbt_valid_to) FROM dbt.history") == [(14, 7)]
assert rows("SELECT count(*) FROM dbt.late") == [(7,)]
