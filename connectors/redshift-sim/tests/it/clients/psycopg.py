"""The driver of PostgreSQL: prepared statements, transactions, a pipeline, errors."""
import datetime
import os
import psycopg

with psycopg.connect(os.environ["SIM_URL"], options="-c search_path=public") as connection:
    assert connection.info.server_version == 80002, connection.info.server_version
    connection.execute('CREATE TABLE "Items" ("Id" INT, label TEXT, at TIMESTAMP DEFAULT SYSDATE)')
    # Within a transaction this would be a savepoint, which Redshift has not.
    connection.commit()
    with connection.transaction():
        connection.cursor().executemany("INSERT INTO items (id, label) VALUES (%s, %s)", [(n, f"ü{n}") for n in range(50)])
    for _ in range(10):
        row = connection.execute("SELECT label, at FROM items WHERE id = %s", (3,)).fetchone()
    assert row[0] == "ü3" and isinstance(row[1], datetime.datetime), row
    assert connection.execute("SELECT label FROM items WHERE label = 'ü3  '").fetchall() == [("ü3",)]
    connection.commit()
    try:
        with connection.transaction():
            connection.execute("DELETE FROM items")
            raise ValueError
    except ValueError:
        pass
    assert connection.execute("SELECT count(*) FROM items").fetchone() == (50,)
    connection.commit()
    try:
        with connection.cursor().copy("COPY items FROM STDIN"):
            pass
        raise SystemExit("COPY FROM STDIN was not refused")
    except psycopg.Error as error:
        assert "LOAD source is not supported" in str(error), error
    connection.rollback()
    assert connection.execute("SELECT 1").fetchone() == (1,)
