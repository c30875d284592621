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

CREATE TABLE redshift_sim.late_views (relation oid PRIMARY KEY);

GRANT SELECT ON ALL TABLES IN SCHEMA redshift_sim TO PUBLIC;

-- A view WITH NO SCHEMA BINDING: its query is a text, which nothing depends on, and is read when the view is.
CREATE FUNCTION redshift_sim.late(query text) RETURNS SETOF record LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY EXECUTE query;
END $$;
CREATE FUNCTION redshift_sim.note_late_view(name text) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
    INSERT INTO redshift_sim.late_views SELECT to_regclass(name) ON CONFLICT DO NOTHING
$$;
-- What it uses is not for clients, so it runs as who made it.
CREATE FUNCTION redshift_sim.late_columns(query text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    columns text;
BEGIN
    EXECUTE 'CREATE TEMPORARY VIEW redshift_sim_probe AS ' || query;
    SELECT string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum) INTO columns
        FROM pg_attribute WHERE attrelid = 'pg_temp.redshift_sim_probe'::regclass AND attnum > 0;
    DROP VIEW pg_temp.redshift_sim_probe;
    RETURN columns;
END $$;
CREATE FUNCTION redshift_sim.create_late_view(name text, query text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'CREATE VIEW ' || name || ' AS SELECT * FROM redshift_sim.late(' || quote_literal(query) || ') AS late('
        || redshift_sim.late_columns(query) || ')';
    PERFORM redshift_sim.note_late_view(name);
END $$;

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
