-- Views of Redshift's catalog, made of PostgreSQL's.
SET allow_system_table_mods = on;

-- SUPER is jsonb under another number. Clients that look up the number find its name here.
CREATE TEMPORARY TABLE super_type AS SELECT * FROM pg_type WHERE typname = 'jsonb';
UPDATE super_type SET oid = 4000, typname = 'super', typarray = 0;
INSERT INTO pg_type SELECT * FROM super_type;
DROP TABLE super_type;

CREATE FUNCTION redshift_sim.type_name(type_id oid) RETURNS varchar LANGUAGE sql STABLE AS $$
    SELECT (CASE type_id WHEN 1043 THEN 'character varying' WHEN 25 THEN 'character varying' WHEN 1042 THEN 'character'
        WHEN 3802 THEN 'super' WHEN 17 THEN 'binary varying' ELSE format_type(type_id, NULL) END)::varchar
$$;
CREATE FUNCTION redshift_sim.full_type_name(type_id oid, modifier integer) RETURNS varchar LANGUAGE sql STABLE AS $$
    SELECT (CASE type_id WHEN 3802 THEN 'super' WHEN 17 THEN 'binary varying(64000)' WHEN 25 THEN 'character varying(65535)'
        ELSE format_type(type_id, modifier) END)::varchar
$$;
CREATE FUNCTION redshift_sim.encoding_of(relation oid, name name) RETURNS varchar LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT coalesce((SELECT split_part(e, '=', 2) FROM redshift_sim.tables t, unnest(t.encodings) e
        WHERE t.relation = $1 AND split_part(e, '=', 1) = name::text), 'none')::varchar
$$;
CREATE FUNCTION redshift_sim.sort_position(relation oid, name name) RETURNS integer LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT coalesce((SELECT array_position(t.sort_columns, name::text) FROM redshift_sim.tables t WHERE t.relation = $1), 0)
$$;
CREATE FUNCTION redshift_sim.is_distribution_key(relation oid, name name) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT EXISTS (SELECT 1 FROM redshift_sim.tables t WHERE t.relation = $1 AND t.distribution = name::text)
$$;

-- An IDENTITY as Redshift shows it, the default of its column: "identity"(144199, 0, '1,1'::text).
CREATE FUNCTION redshift_sim.identity_of(relation oid, column_number smallint, kind "char") RETURNS text LANGUAGE sql STABLE AS $$
    SELECT (CASE kind WHEN 'a' THEN '"identity"' ELSE '"default_identity"' END) || '(' || relation::text || ', ' || (column_number - 1)::text
        || ', ' || quote_literal(s.seqstart::text || ',' || s.seqincrement::text) || '::text)'
    FROM pg_sequence s JOIN pg_depend d ON d.objid = s.seqrelid
    WHERE d.refobjid = relation AND d.refobjsubid = column_number AND d.deptype = 'i'
$$;

CREATE VIEW pg_catalog.svv_columns AS
SELECT current_database()::varchar AS table_catalog, redshift_sim.logical(n.nspname) AS table_schema, redshift_sim.logical(c.relname) AS table_name,
    redshift_sim.logical(a.attname) AS column_name, a.attnum::integer AS ordinal_position, (CASE WHEN a.attidentity <> '' THEN redshift_sim.identity_of(c.oid, a.attnum, a.attidentity) ELSE pg_get_expr(d.adbin, d.adrelid) END)::varchar AS column_default,
    (CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END)::varchar AS is_nullable, redshift_sim.type_name(a.atttypid) AS data_type,
    CASE WHEN a.atttypid IN (1042, 1043) AND a.atttypmod > 4 THEN a.atttypmod - 4 WHEN a.atttypid IN (25, 1043) THEN 65535 END AS character_maximum_length,
    CASE a.atttypid WHEN 21 THEN 16 WHEN 23 THEN 32 WHEN 20 THEN 64 WHEN 700 THEN 24 WHEN 701 THEN 53
        WHEN 1700 THEN CASE WHEN a.atttypmod < 4 THEN 38 ELSE ((a.atttypmod - 4) >> 16) & 65535 END END AS numeric_precision,
    CASE WHEN a.atttypid IN (20, 21, 23, 700, 701) THEN 2 WHEN a.atttypid = 1700 THEN 10 END AS numeric_precision_radix,
    CASE WHEN a.atttypid IN (20, 21, 23) THEN 0 WHEN a.atttypid = 1700 THEN CASE WHEN a.atttypmod < 4 THEN 0 ELSE (a.atttypmod - 4) & 2047 END END AS numeric_scale,
    CASE WHEN a.atttypid IN (1083, 1114, 1184, 1266) THEN 6 WHEN a.atttypid = 1082 THEN 0 END AS datetime_precision,
    NULL::varchar AS interval_type, NULL::varchar AS interval_precision, NULL::varchar AS character_set_catalog,
    NULL::varchar AS character_set_schema, NULL::varchar AS character_set_name, NULL::varchar AS collation_catalog,
    NULL::varchar AS collation_schema, NULL::varchar AS collation_name, NULL::varchar AS domain_name,
    col_description(c.oid, a.attnum)::varchar AS remarks
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT a.attisdropped AND n.nspname NOT IN ('redshift_sim', 'pg_toast');

CREATE VIEW pg_catalog.svv_tables AS
SELECT current_database()::varchar AS table_catalog, redshift_sim.logical(n.nspname) AS table_schema, redshift_sim.logical(c.relname) AS table_name,
    (CASE WHEN c.relpersistence = 't' THEN 'LOCAL TEMPORARY' WHEN c.relkind = 'v' THEN 'VIEW' ELSE 'BASE TABLE' END)::varchar AS table_type,
    obj_description(c.oid, 'pg_class')::varchar AS remarks
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v') AND n.nspname NOT IN ('redshift_sim', 'pg_toast');

-- Nothing is kept on S3: there are no external schemas (r_SVV_EXTERNAL_SCHEMAS, r_SVV_EXTERNAL_TABLES, r_SVV_EXTERNAL_COLUMNS).
CREATE VIEW pg_catalog.svv_external_schemas AS
SELECT 0::oid AS esoid, 0::smallint AS eskind, NULL::name AS schemaname, 0 AS esowner, NULL::text AS databasename, NULL::text AS esoptions WHERE false;
CREATE VIEW pg_catalog.svv_external_tables AS
SELECT NULL::text AS redshift_database_name, NULL::text AS schemaname, NULL::text AS tablename, NULL::text AS tabletype, NULL::text AS location,
    NULL::text AS input_format, NULL::text AS output_format, NULL::text AS serialization_lib, NULL::text AS serde_parameters, 0 AS compressed,
    NULL::text AS parameters WHERE false;
CREATE VIEW pg_catalog.svv_external_columns AS
SELECT NULL::text AS redshift_database_name, NULL::text AS schemaname, NULL::text AS tablename, NULL::text AS columnname, NULL::text AS external_type,
    0 AS columnnum, 0 AS part_key, NULL::text AS is_nullable WHERE false;

CREATE VIEW pg_catalog.pg_table_def AS
SELECT n.nspname AS schemaname, redshift_sim.logical(c.relname) AS tablename, redshift_sim.logical(a.attname) AS "column",
    redshift_sim.full_type_name(a.atttypid, a.atttypmod) AS type, redshift_sim.encoding_of(c.oid, a.attname) AS encoding,
    redshift_sim.is_distribution_key(c.oid, a.attname) AS distkey, redshift_sim.sort_position(c.oid, a.attname) AS sortkey,
    a.attnotnull AS "notnull"
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND n.nspname = ANY (current_schemas(true)) AND n.nspname <> 'pg_catalog';

CREATE VIEW pg_catalog.svv_table_info AS
SELECT current_database()::varchar AS database, n.nspname::varchar AS schema, c.oid AS table_id, redshift_sim.logical(c.relname) AS "table",
    'Y'::varchar AS encoded, coalesce(t.style, CASE WHEN t.distribution IS NOT NULL THEN 'KEY(' || t.distribution || ')' ELSE 'AUTO(ALL)' END)::varchar AS diststyle,
    coalesce(t.sort_columns[1], 'AUTO(SORTKEY)')::varchar AS sortkey1, 256 AS max_varchar, 'none'::char(32) AS sortkey1_enc,
    coalesce(cardinality(t.sort_columns), 0) AS sortkey_num,
    (pg_relation_size(c.oid) / 1048576 + 1) AS size, 0::numeric AS pct_used, 0::bigint AS empty, 0::numeric AS unsorted,
    0::numeric AS stats_off, greatest(c.reltuples, 0)::numeric(38, 0) AS tbl_rows, 1::numeric(19, 2) AS skew_sortkey1, 1::numeric(19, 2) AS skew_rows,
    greatest(c.reltuples, 0)::numeric(38, 0) AS estimated_visible_rows, NULL::text AS risk_event, 0::numeric(12, 2) AS vacuum_sort_benefit,
    NULL::timestamp AS create_time
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN redshift_sim.tables t ON t.relation = c.oid
WHERE c.relkind = 'r' AND n.nspname NOT IN ('redshift_sim', 'pg_catalog', 'information_schema', 'pg_toast') AND c.relpersistence <> 't';

-- Who may do what (r_SVV_RELATION_PRIVILEGES); here a role is whoever cannot log in.
CREATE VIEW pg_catalog.svv_relation_privileges AS
SELECT n.nspname::varchar AS namespace_name, redshift_sim.logical(c.relname) AS relation_name, a.privilege_type::varchar AS privilege_type,
    a.grantee::integer AS identity_id, coalesce(r.rolname::varchar, 'public') AS identity_name,
    (CASE WHEN r.oid IS NULL THEN 'public' WHEN r.rolcanlogin THEN 'user' ELSE 'role' END)::varchar AS identity_type, a.is_grantable AS admin_option
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN LATERAL aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE c.relkind IN ('r', 'v') AND n.nspname NOT IN ('redshift_sim', 'pg_catalog', 'information_schema', 'pg_toast');

CREATE VIEW pg_catalog.stv_slices AS SELECT s / 2 AS node, s AS slice, s AS localslice, 'D'::varchar AS type FROM generate_series(0, 3) s;

CREATE VIEW pg_catalog.stv_db_isolation_level AS
SELECT current_database()::char(128) AS db_name,
    (CASE current_setting('default_transaction_isolation') WHEN 'serializable' THEN 'Serializable' ELSE 'Snapshot Isolation' END)::char(20) AS isolation_level;

-- Who holds and who waits for locks (r_SVV_TRANSACTIONS); whoever is no superuser sees what is his own.
CREATE VIEW pg_catalog.svv_transactions AS
SELECT a.usename::varchar AS txn_owner, a.datname::varchar AS txn_db, coalesce(a.backend_xid::text::bigint, 0) AS xid, l.pid,
    (a.xact_start AT TIME ZONE 'UTC') AS txn_start, l.mode::varchar AS lock_mode,
    (CASE l.locktype WHEN 'relation' THEN 'relation' ELSE 'transactionid' END)::varchar AS lockable_object_type, l.relation, l.granted
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE a.datname = current_database() AND l.locktype IN ('relation', 'transactionid') AND (a.usename = current_user
    OR current_user IN (SELECT r.rolname FROM pg_roles r WHERE r.rolcreaterole));

CREATE VIEW pg_catalog.stl_load_errors AS
SELECT coalesce((SELECT u.usesysid::integer FROM pg_user u WHERE u.usename::text = e.user_name), 100) AS userid, 0 AS slice, e.table_id::integer AS tbl,
    e.start_time AS starttime, e.session, e.query::integer AS query, e.file_name::varchar AS filename, e.line_number, e.column_name::varchar AS colname,
    e.column_type::varchar AS type, e.column_length::varchar AS col_length, e.position, e.raw_line::varchar AS raw_line,
    e.raw_value::varchar AS raw_field_value, e.error_code AS err_code, e.error_message::varchar AS err_reason, 0 AS is_partial, 0::bigint AS start_offset,
    NULL::bigint AS copy_job_id
FROM redshift_sim.load_errors e WHERE e.user_name = current_user::text;

CREATE VIEW pg_catalog.sys_load_error_detail AS
SELECT l.userid AS user_id, l.query::bigint AS query_id, 0::bigint AS transaction_id, l.session AS session_id, current_database()::varchar AS database_name,
    l.tbl AS table_id, l.starttime AS start_time, l.filename AS file_name, l.line_number, l.colname AS column_name, l.type AS column_type,
    l.col_length AS column_length, l.position, l.err_code AS error_code, l.err_reason AS error_message
FROM pg_catalog.stl_load_errors l;

CREATE VIEW pg_catalog.sys_load_history AS
SELECT coalesce((SELECT u.usesysid::integer FROM pg_user u WHERE u.usename::text = h.user_name), 100) AS user_id, h.query AS query_id, 0::bigint AS transaction_id,
    h.session AS session_id, current_database()::varchar AS database_name, h.status::varchar AS status, h.table_name::varchar AS table_name,
    (h.end_time - h.duration * interval '1 microsecond') AS start_time, h.end_time, h.duration, h.data_source::varchar AS data_source,
    h.file_format::varchar AS file_format, h.loaded_rows, h.source_file_bytes AS loaded_bytes, h.source_file_count, h.source_file_bytes,
    (SELECT count(*) FROM redshift_sim.load_errors e WHERE e.query = h.query) AS error_count
FROM redshift_sim.load_history h WHERE h.user_name = current_user::text;

GRANT SELECT ON pg_catalog.svv_columns, pg_catalog.svv_tables, pg_catalog.svv_relation_privileges, pg_catalog.pg_table_def, pg_catalog.stv_slices,
    pg_catalog.stv_db_isolation_level, pg_catalog.svv_transactions, pg_catalog.stl_load_errors,
    pg_catalog.svv_external_schemas, pg_catalog.svv_external_tables, pg_catalog.svv_external_columns, pg_catalog.sys_load_error_detail, pg_catalog.sys_load_history TO PUBLIC;
