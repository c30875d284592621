-- Functions of Redshift that PostgreSQL has not, or has with another meaning.
-- How far the clock of the stand-in goes ahead of the machine's.
CREATE FUNCTION redshift_sim.clock_ahead() RETURNS interval LANGUAGE sql STABLE AS
    $$ SELECT interval '1 second' * coalesce(current_setting('redshift_sim.clock_ahead', true)::float8, 0) $$;
CREATE FUNCTION pg_catalog.getdate() RETURNS timestamp LANGUAGE sql STABLE AS
    $$ SELECT statement_timestamp()::timestamp + redshift_sim.clock_ahead() $$;
CREATE FUNCTION pg_catalog.sysdate() RETURNS timestamp LANGUAGE sql STABLE AS
    $$ SELECT transaction_timestamp()::timestamp + redshift_sim.clock_ahead() $$;

-- Characters, not bytes, although the database counts bytes.
CREATE FUNCTION pg_catalog.len(varchar) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT length(convert_to($1::text, 'SQL_ASCII'), 'UTF8') $$;
CREATE FUNCTION pg_catalog.length(varchar) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT length(convert_to($1::text, 'SQL_ASCII'), 'UTF8') $$;
CREATE FUNCTION pg_catalog.charindex(varchar, varchar) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT strpos($2::text, $1::text) $$;
CREATE FUNCTION pg_catalog.nvl2(anyelement, anyelement, anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE AS $$ SELECT CASE WHEN $1 IS NOT NULL THEN $2 ELSE $3 END $$;
CREATE FUNCTION pg_catalog.trunc(timestamp) RETURNS date LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT $1::date $$;

CREATE FUNCTION pg_catalog.dateadd(part varchar, amount bigint, moment timestamp) RETURNS timestamp LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN moment + CASE lower(part)
        WHEN 'quarter' THEN amount * interval '3 months' WHEN 'qtr' THEN amount * interval '3 months'
        WHEN 'ms' THEN amount * interval '1 millisecond' WHEN 'us' THEN amount * interval '1 microsecond'
        ELSE (amount || ' ' || part)::interval END;
END $$;
CREATE FUNCTION pg_catalog.dateadd(part varchar, amount bigint, moment timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE STRICT AS
    $$ SELECT dateadd(part, amount, moment AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' $$;
CREATE FUNCTION pg_catalog.dateadd(part varchar, amount bigint, moment date) RETURNS timestamp LANGUAGE sql IMMUTABLE STRICT AS
    $$ SELECT dateadd(part, amount, moment::timestamp) $$;

-- The number of borders between parts that lie between two moments.
CREATE FUNCTION pg_catalog.datediff(part varchar, earlier timestamp, later timestamp) RETURNS bigint LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    unit text := rtrim(lower(part), 's');
    months bigint := (extract(year FROM later) - extract(year FROM earlier)) * 12 + extract(month FROM later) - extract(month FROM earlier);
BEGIN
    RETURN CASE unit
        WHEN 'year' THEN extract(year FROM later) - extract(year FROM earlier)
        WHEN 'quarter' THEN (extract(year FROM later) - extract(year FROM earlier)) * 4 + extract(quarter FROM later) - extract(quarter FROM earlier)
        WHEN 'month' THEN months
        WHEN 'week' THEN (date_trunc('week', later)::date - date_trunc('week', earlier)::date) / 7
        WHEN 'day' THEN later::date - earlier::date
        ELSE round(extract(epoch FROM date_trunc(unit, later) - date_trunc(unit, earlier))
            / extract(epoch FROM ('1 ' || unit)::interval)) END;
END $$;
CREATE FUNCTION pg_catalog.datediff(part varchar, earlier timestamptz, later timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT AS
    $$ SELECT datediff(part, earlier AT TIME ZONE 'UTC', later AT TIME ZONE 'UTC') $$;

CREATE FUNCTION pg_catalog.datediff(part varchar, earlier date, later date) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT AS
    $$ SELECT datediff(part, earlier::timestamp, later::timestamp) $$;

CREATE FUNCTION pg_catalog.convert_timezone(zone varchar, moment timestamp) RETURNS timestamp LANGUAGE sql IMMUTABLE STRICT AS
    $$ SELECT (moment AT TIME ZONE 'UTC') AT TIME ZONE zone::text $$;
CREATE FUNCTION pg_catalog.convert_timezone(source varchar, zone varchar, moment timestamp) RETURNS timestamp LANGUAGE sql IMMUTABLE STRICT AS
    $$ SELECT (moment AT TIME ZONE source::text) AT TIME ZONE zone::text $$;

-- SUPER.
CREATE FUNCTION pg_catalog.json_parse(varchar) RETURNS jsonb LANGUAGE sql IMMUTABLE STRICT SECURITY DEFINER AS $$ SELECT $1::text::jsonb $$;
CREATE FUNCTION pg_catalog.json_serialize(value jsonb) RETURNS varchar LANGUAGE plpgsql IMMUTABLE STRICT SECURITY DEFINER AS $$
BEGIN
    RETURN CASE jsonb_typeof(value)
        WHEN 'object' THEN '{' || coalesce((SELECT string_agg(to_json(key)::text || ':' || json_serialize(item), ',') FROM jsonb_each(value) e(key, item)), '') || '}'
        WHEN 'array' THEN '[' || coalesce((SELECT string_agg(json_serialize(item), ',') FROM jsonb_array_elements(value) e(item)), '') || ']'
        ELSE value::text END;
END $$;
CREATE FUNCTION pg_catalog.is_valid_json(varchar) RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    PERFORM $1::text::json;
    RETURN true;
EXCEPTION WHEN others THEN
    RETURN false;
END $$;
CREATE FUNCTION pg_catalog.json_typeof(jsonb) RETURNS varchar LANGUAGE sql IMMUTABLE STRICT SECURITY DEFINER AS $$ SELECT jsonb_typeof($1) $$;
CREATE FUNCTION pg_catalog.json_extract_path_text(value varchar, VARIADIC path varchar[]) RETURNS varchar LANGUAGE sql IMMUTABLE STRICT SECURITY DEFINER AS
    $$ SELECT coalesce(value::text::jsonb #>> path::text[], '') $$;

CREATE AGGREGATE redshift_sim.listagg(text, text) (SFUNC = string_agg_transfn, STYPE = internal, FINALFUNC = string_agg_finalfn);

-- What COPY leaves in the session.
CREATE FUNCTION pg_catalog.pg_last_copy_count() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN (SELECT last_value FROM pg_temp.redshift_sim_copy_count);
END $$;
CREATE FUNCTION pg_catalog.pg_last_copy_id() RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN (SELECT last_value FROM pg_temp.redshift_sim_copy_id);
END $$;
CREATE FUNCTION pg_catalog.pg_last_query_id() RETURNS integer LANGUAGE sql VOLATILE AS $$ SELECT pg_last_copy_id() $$;

CREATE FUNCTION pg_catalog.pg_get_late_binding_view_cols() RETURNS SETOF record LANGUAGE sql STABLE AS $$
    SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod)::varchar, a.attnum::integer
    FROM redshift_sim.late_views l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid WHERE a.attnum > 0
$$;
