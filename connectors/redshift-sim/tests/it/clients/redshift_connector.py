"""AWS's own driver: parameters, many rows, COPY in a transaction, and what a failure looks like."""
import os
import redshift_connector

connection = redshift_connector.connect(host="127.0.0.1", port=int(os.environ["SIM_PORT"]), user="awsuser", database="dev",
                                        password=os.environ["SIM_PASSWORD"], ssl=False)
cursor = connection.cursor()
cursor.execute("SELECT version()")
assert "Redshift" in cursor.fetchone()[0]
cursor.execute("CREATE TABLE people (id BIGINT, name VARCHAR(20), rate DECIMAL(9,2), born DATE, seen TIMESTAMPTZ, extra SUPER)")
connection.commit()
rows = [(number, f"näme {number}", number / 4) for number in range(100)]
cursor.executemany("INSERT INTO people (id, name, rate) VALUES (%s, %s, %s)", rows)
connection.commit()
cursor.execute("UPDATE people SET born = '2026-01-02', extra = JSON_PARSE('{\"a\": 1}') WHERE id = %s", (7,))
cursor.execute("SELECT id, name, rate, born, extra FROM people WHERE id = %s", (7,))
identity, name, rate, born, extra = cursor.fetchone()
assert (identity, name, float(rate), str(born)) == (7, "näme 7", 1.75, "2026-01-02"), (identity, name, rate, born)
assert "\"a\"" in str(extra), extra
connection.rollback()
cursor.execute(f"UNLOAD ('SELECT * FROM people') TO '{os.environ['SIM_STAGE']}/people_' {os.environ['SIM_ROLE']} PARQUET MANIFEST")
cursor.execute("DELETE FROM people")
cursor.execute("SELECT count(*) FROM people")
assert cursor.fetchone()[0] == 0
connection.rollback()
try:
    cursor.execute("INSERT INTO people (id) VALUES (1) ON CONFLICT DO NOTHING")
    raise SystemExit("ON CONFLICT was not refused")
except redshift_connector.ProgrammingError as error:
    assert "42601" in str(error), error
connection.rollback()
cursor.execute("SELECT count(*) FROM people")
assert cursor.fetchone()[0] == 100
