-- Trailing blanks do not count when VARCHAR values are compared (r_Character_types). PostgreSQL's functions for CHAR compare so, and
-- values of both types are stored alike.
CREATE FUNCTION pg_catalog.varchar_eq(varchar, varchar) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'bpchareq';
CREATE FUNCTION pg_catalog.varchar_ne(varchar, varchar) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'bpcharne';
CREATE FUNCTION pg_catalog.varchar_lt(varchar, varchar) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'bpcharlt';
CREATE FUNCTION pg_catalog.varchar_le(varchar, varchar) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'bpcharle';
CREATE FUNCTION pg_catalog.varchar_gt(varchar, varchar) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'bpchargt';
CREATE FUNCTION pg_catalog.varchar_ge(varchar, varchar) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'bpcharge';
CREATE FUNCTION pg_catalog.varchar_cmp(varchar, varchar) RETURNS integer LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'bpcharcmp';
CREATE FUNCTION pg_catalog.varchar_hash(varchar) RETURNS integer LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'hashbpchar';
CREATE FUNCTION pg_catalog.varchar_hash_extended(varchar, bigint) RETURNS bigint LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'hashbpcharextended';

CREATE OPERATOR pg_catalog.= (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = pg_catalog.varchar_eq, COMMUTATOR = OPERATOR(pg_catalog.=),
    NEGATOR = OPERATOR(pg_catalog.<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
CREATE OPERATOR pg_catalog.<> (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = pg_catalog.varchar_ne, COMMUTATOR = OPERATOR(pg_catalog.<>),
    NEGATOR = OPERATOR(pg_catalog.=), RESTRICT = neqsel, JOIN = neqjoinsel);
CREATE OPERATOR pg_catalog.< (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = pg_catalog.varchar_lt, COMMUTATOR = OPERATOR(pg_catalog.>),
    NEGATOR = OPERATOR(pg_catalog.>=), RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
CREATE OPERATOR pg_catalog.<= (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = pg_catalog.varchar_le, COMMUTATOR = OPERATOR(pg_catalog.>=),
    NEGATOR = OPERATOR(pg_catalog.>), RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
CREATE OPERATOR pg_catalog.> (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = pg_catalog.varchar_gt, COMMUTATOR = OPERATOR(pg_catalog.<),
    NEGATOR = OPERATOR(pg_catalog.<=), RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
CREATE OPERATOR pg_catalog.>= (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = pg_catalog.varchar_ge, COMMUTATOR = OPERATOR(pg_catalog.<=),
    NEGATOR = OPERATOR(pg_catalog.<), RESTRICT = scalargesel, JOIN = scalargejoinsel);

CREATE OPERATOR CLASS redshift_sim.varchar_blank_ops DEFAULT FOR TYPE varchar USING btree AS
    OPERATOR 1 pg_catalog.< (varchar, varchar), OPERATOR 2 pg_catalog.<= (varchar, varchar), OPERATOR 3 pg_catalog.= (varchar, varchar),
    OPERATOR 4 pg_catalog.>= (varchar, varchar), OPERATOR 5 pg_catalog.> (varchar, varchar),
    FUNCTION 1 pg_catalog.varchar_cmp(varchar, varchar);
CREATE OPERATOR CLASS redshift_sim.varchar_blank_ops DEFAULT FOR TYPE varchar USING hash AS
    OPERATOR 1 pg_catalog.= (varchar, varchar),
    FUNCTION 1 pg_catalog.varchar_hash(varchar), FUNCTION 2 pg_catalog.varchar_hash_extended(varchar, bigint);
