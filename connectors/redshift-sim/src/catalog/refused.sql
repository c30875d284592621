-- Functions that Redshift does not have. PostgreSQL checks them also where an operator stands for them.
DO $$
DECLARE
    refused regprocedure;
BEGIN
    FOR refused IN
        SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND (
            (p.proname ~ '^jsonb?_' AND p.proname !~ '^jsonb_(eq|ne|lt|gt|le|ge|cmp|hash.*|send|recv|in|out)$'
                AND p.proname NOT IN ('json_parse', 'json_serialize', 'json_typeof', 'json_in', 'json_out', 'json_send', 'json_recv')
                AND NOT (p.proname = 'json_extract_path_text' AND p.proargtypes[0] = 1043))
            OR p.proname ~ '^(array_(agg|append|cat|fill|length|lower|ndims|positions?|prepend|remove|replace|upper)|xml.*|xpath.*|ts_.*|lo_.*|pg_advisory.*)$'
            OR p.proname IN ('unnest', 'string_to_array', 'string_agg', 'row_to_json', 'to_json', 'to_jsonb', 'format', 'gen_random_uuid', 'pg_sleep',
                'pg_sleep_for', 'pg_sleep_until', 'to_tsvector', 'to_tsquery', 'plainto_tsquery', 'regexp_match', 'regexp_matches',
                'regexp_split_to_array', 'regexp_split_to_table', 'string_to_table', 'to_regtype', 'make_date', 'make_timestamp', 'make_interval',
                'clock_timestamp', 'encode', 'decode', 'overlay', 'width_bucket'))
    LOOP
        EXECUTE pg_catalog.format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', refused);
    END LOOP;
END $$;
