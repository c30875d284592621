"""Fills a folder with pipelines and what they read: one of each kind that the pages have to show.

    python furnish.py FOLDER [ROWS]

Pipelines lie in FOLDER/queries, their files in FOLDER/in. ROWS is what the one that is watched reads.
"""

import datetime
import json
import pathlib
import sys

DAYS = [datetime.date(2026, 11, day) for day in range(16, 22)]

# What a pipeline is called, and its file; {here} is the folder.
PIPELINES = {
    "orders": """\
-- Orders as they come, by day, and what of them is worth a look.
SET pipeline.schedule = '@daily';
SET pipeline.time_zone = 'Europe/Berlin';
CREATE EXTERNAL TABLE orders STORED AS JSON LOCATION '{here}/in/orders/';
CREATE VIEW clean_orders AS
SELECT id, trim(customer) AS customer, amount, country, CAST(ordered_at AS DATE) AS day FROM orders;
CREATE EXTERNAL TABLE kept STORED AS DELTA LOCATION 'lake://shop/orders' PARTITIONED BY (day) OPTIONS ('key' 'id');
CREATE EXTERNAL TABLE large STORED AS DELTA LOCATION 'lake://shop/large_orders' OPTIONS ('key' 'id');
REPLACE INTO kept  SELECT * FROM clean_orders;
REPLACE INTO large SELECT * FROM clean_orders WHERE amount > 900;
""",
    "toll": """\
-- Toll booths, with lines that are none.
SET pipeline.trigger = '{here}/in/toll/*.csv';
CREATE EXTERNAL TABLE passages (booth VARCHAR, passed_at TIMESTAMP, axles INT, paid DOUBLE)
STORED AS CSV LOCATION '{here}/in/toll/' OPTIONS ('on_error' 'quarantine');
CREATE EXTERNAL TABLE toll STORED AS DELTA LOCATION 'lake://raw/toll';
INSERT INTO toll SELECT * FROM passages;
""",
    "refunds": """\
-- Fails: a refund has an amount that is no number.
SET pipeline.retries = 1;
SET pipeline.retry_delay = '1s';
CREATE EXTERNAL TABLE refunds (id BIGINT, amount VARCHAR)
STORED AS JSON LOCATION '{here}/in/refunds/';
CREATE EXTERNAL TABLE paid_back STORED AS DELTA LOCATION 'lake://shop/refunds' OPTIONS ('key' 'id');
REPLACE INTO paid_back
SELECT id, CAST(amount AS DOUBLE) AS amount
FROM refunds;
""",
    "report": """\
-- Sales by country and day, anew whenever there are orders.
SET pipeline.trigger = 'table lake.shop.orders';
CREATE EXTERNAL TABLE sales STORED AS DELTA LOCATION 'lake://report/sales_by_country';
INSERT OVERWRITE sales
SELECT country, day, count(*) AS orders, sum(amount) AS amount FROM lake.shop.orders GROUP BY country, day;
""",
    "slow": """\
-- Long enough to be watched.
SET pipeline.epoch_rows = 2000;
CREATE EXTERNAL TABLE clicks (id BIGINT, page VARCHAR, ms INT) STORED AS JSON LOCATION '{here}/in/clicks/';
CREATE EXTERNAL TABLE kept STORED AS DELTA LOCATION 'lake://web/clicks';
INSERT INTO kept SELECT * FROM clicks;
""",
    "nightly": """\
SET pipeline.schedule = '30 2 * * *';
SET pipeline.time_zone = 'Europe/Berlin';
CREATE EXTERNAL TABLE orders STORED AS JSON LOCATION '{here}/in/orders/';
CREATE EXTERNAL TABLE copy STORED AS PARQUET LOCATION 'lake://backup/orders';
INSERT INTO copy SELECT * FROM orders;
""",
    "held": """\
SET pipeline.schedule = '*/5 * * * *';
CREATE EXTERNAL TABLE orders STORED AS JSON LOCATION '{here}/in/orders/';
CREATE EXTERNAL TABLE copy STORED AS PARQUET LOCATION 'lake://backup/held_orders';
INSERT INTO copy SELECT * FROM orders;
""",
    "broken": """\
-- The table that it writes is nowhere.
CREATE EXTERNAL TABLE orders STORED AS JSON LOCATION '{here}/in/orders/';

INSERT INTO nowhere SELECT id FROM orders;
""",
}


def write(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line + "\n" for line in lines))


def order(number):
    at = f"{DAYS[number % len(DAYS)]}T{number % 24:02}:15:00"
    country = ["DE", "FR", "IT", "<b>NL</b>"][number % 4]
    return json.dumps({"id": number, "customer": f" customer {number % 97} ", "amount": number * 37 % 1000 + 0.5, "country": country, "ordered_at": at})


def edit(folder):
    """More orders, and a column that they have not had: the code of their country."""
    write(folder / "in/orders/b.json", (order(number) for number in range(400, 420)))
    text = PIPELINES["orders"].format(here=folder).replace("country, CAST", "country, upper(left(country, 2)) AS code, CAST")
    write(folder / "queries/orders.sql", text.splitlines())


def main():
    folder = pathlib.Path(sys.argv[1]).resolve()
    rows = int(sys.argv[2]) if len(sys.argv) > 2 else 60_000
    for name, text in PIPELINES.items():
        write(folder / "queries" / f"{name}.sql", text.format(here=folder).splitlines())
    write(folder / "in/orders/a.json", map(order, range(400)))
    passages = (f"booth {number % 7},2026-11-20 10:{number % 60:02}:00,{number % 5 + 2},{number % 9}.5" for number in range(200))
    write(folder / "in/toll/a.csv", ["booth,passed_at,axles,paid", *passages, "booth 1,soon,2,1.5", "booth 2,2026-11-20 11:00:00,many,1.5"])
    write(folder / "in/refunds/a.json", ['{"id": 1, "amount": "12.5"}', '{"id": 2, "amount": "a lot"}'])
    write(folder / "in/clicks/a.json", (f'{{"id":{number},"page":"/p/{number % 50}","ms":{number % 900}}}' for number in range(rows)))


if __name__ == "__main__":
    main()
