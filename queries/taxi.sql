-- Trips of New York's yellow taxis: years of files whose header, order and types changed, as one table by day.
--
--   engine run queries/taxi.sql
--   TAXI_FILES=s3://bucket/trips engine run queries/taxi.sql
SET pipeline.retries = 3;

-- Files up to 2019 say vendor_id and pickup_datetime, later ones VendorID and tpep_pickup_datetime. Capitals and underscores are no
-- difference; other names are said here. A column that a file has not is NULL, one that is not declared is left out.
CREATE EXTERNAL TABLE trips_csv (
    vendor_id             INT,
    pickup_datetime       TIMESTAMP NOT NULL,
    dropoff_datetime      TIMESTAMP NOT NULL,
    passenger_count       INT,
    trip_distance         DOUBLE,
    rate_code_id          INT,
    store_and_fwd_flag    VARCHAR,
    pickup_location_id    INT,
    dropoff_location_id   INT,
    payment_type          INT,
    fare_amount           DOUBLE,
    extra                 DOUBLE,
    mta_tax               DOUBLE,
    tip_amount            DOUBLE,
    tolls_amount          DOUBLE,
    improvement_surcharge DOUBLE,
    total_amount          DOUBLE,
    congestion_surcharge  DOUBLE
)
STORED AS CSV LOCATION '${TAXI_FILES:-queries/samples/taxi}/*.csv'
OPTIONS (
    'on_error' 'quarantine',
    'rename'   'tpep_pickup_datetime=pickup_datetime, tpep_dropoff_datetime=dropoff_datetime,
                PULocationID=pickup_location_id, DOLocationID=dropoff_location_id'
);

-- Parquet files say what their columns are: nothing is declared.
CREATE EXTERNAL TABLE trips_parquet STORED AS PARQUET LOCATION '${TAXI_FILES:-queries/samples/taxi}/*.parquet';

CREATE VIEW trips AS
SELECT * FROM trips_csv
UNION ALL
SELECT
    vendorid                    AS vendor_id,
    tpep_pickup_datetime        AS pickup_datetime,
    tpep_dropoff_datetime       AS dropoff_datetime,
    CAST(passenger_count AS INT) AS passenger_count,
    trip_distance,
    CAST(ratecodeid AS INT)     AS rate_code_id,
    store_and_fwd_flag,
    pulocationid                AS pickup_location_id,
    dolocationid                AS dropoff_location_id,
    CAST(payment_type AS INT)   AS payment_type,
    fare_amount, extra, mta_tax, tip_amount, tolls_amount, improvement_surcharge, total_amount, congestion_surcharge
FROM trips_parquet;

CREATE EXTERNAL TABLE taxi_trips STORED AS DELTA LOCATION 'lake://taxi/trips' PARTITIONED BY (pickup_date);

INSERT INTO taxi_trips
SELECT
    *,
    CASE payment_type WHEN 1 THEN 'card' WHEN 2 THEN 'cash' WHEN 3 THEN 'no charge' WHEN 4 THEN 'dispute' END AS payment,
    CAST(pickup_datetime AS DATE) AS pickup_date
FROM trips;
