-- Toll booth transactions, from the files that a program drops into a folder: each file once, bad lines put aside.
--
--   engine run queries/toll.sql
--   TOLL_FILES=s3://landing-bucket/toll/ engine run queries/toll.sql --follow
--
-- The files look like JSON and are what Python prints: single quotes, a record a line.
SET pipeline.retries = 3;

CREATE EXTERNAL TABLE transactions (
    transaction_id     BIGINT NOT NULL,
    transaction_date   DATE   NOT NULL,
    toll_booth         VARCHAR NOT NULL,
    vehicle_make       VARCHAR NOT NULL,
    vehicle_category   VARCHAR NOT NULL,
    transaction_amount REAL
)
STORED AS JSON LOCATION '${TOLL_FILES:-queries/samples/toll/}'
OPTIONS ('mode' 'lenient', 'on_error' 'quarantine', 'file_columns' 'true');

CREATE EXTERNAL TABLE toll STORED AS DELTA LOCATION 'lake://toll/transactions' PARTITIONED BY (transaction_date);

-- A category holds commas: 'Coupe, Sedan, Convertible'.
INSERT INTO toll
SELECT
    transaction_id,
    transaction_date,
    toll_booth,
    vehicle_make,
    vehicle_category,
    string_to_array(vehicle_category, ', ') AS vehicle_categories,
    transaction_amount,
    _file                                   AS source_file,
    _file_row                               AS source_row
FROM transactions;
