-- What the stand-in keeps beside PostgreSQL's own catalog.
CREATE SCHEMA redshift_sim;
GRANT USAGE ON SCHEMA redshift_sim TO PUBLIC;

CREATE TABLE redshift_sim.names (physical text PRIMARY KEY, logical text NOT NULL);

CREATE TABLE redshift_sim.tables (
    relation oid PRIMARY KEY,
    style text,
    distribution text,
    sort_columns text[] NOT NULL,
    encodings text[] NOT NULL
);

CREATE TABLE redshift_sim.load_errors (
    user_name text, query bigint, session integer, table_id bigint, table_name text, file_name text, line_number bigint,
    column_name text, column_type text, column_length text, position integer, raw_line text, raw_value text, error_code integer,
    error_message text, start_time timestamp DEFAULT (clock_timestamp() AT TIME ZONE 'UTC')
);

CREATE TABLE redshift_sim.load_history (
    user_name text, query bigint, session integer, status text, table_name text, data_source text, file_format text, duration bigint,
    loaded_rows bigint, source_file_count bigint, source_file_bytes bigint,
    end_time timestamp DEFAULT (clock_timestamp() AT TIME ZONE 'UTC')
);

GRANT SELECT ON ALL TABLES IN SCHEMA redshift_sim TO PUBLIC;

-- Keeps DISTSTYLE, DISTKEY, SORTKEY and encodings of a table.
CREATE FUNCTION redshift_sim.note_table(name text, style text, distribution text, sort_columns text[], encodings text[]) RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
    INSERT INTO redshift_sim.tables
    SELECT to_regclass(name), style, distribution, sort_columns, encodings WHERE to_regclass(name) IS NOT NULL
    ON CONFLICT (relation) DO NOTHING
$$;

-- The name that a name too long for PostgreSQL stands for.
CREATE FUNCTION redshift_sim.logical(name name) RETURNS varchar LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT n.logical FROM redshift_sim.names n WHERE n.physical = name::text), name::text)::varchar
$$;
