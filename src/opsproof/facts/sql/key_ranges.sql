-- How much of their range have sequences and the integer columns they feed used up?
WITH sequence AS MATERIALIZED (
    SELECT seqrelid, seqcycle, seqincrement > 0 AS rises, seqstart::float8 AS start, CASE WHEN seqincrement > 0 THEN seqmax ELSE seqmin END::float8 AS last_possible,
           CASE WHEN seqincrement > 0 THEN seqmin ELSE seqmax END::float8 AS first_possible
      FROM pg_sequence JOIN pg_class ON oid = seqrelid WHERE relpersistence <> 't'
), fed AS MATERIALIZED (
    SELECT seqrelid, refobjid AS relid, refobjsubid AS attnum, deptype = 'i' AS is_identity
      FROM sequence JOIN pg_depend ON classid = 'pg_class'::regclass AND objid = seqrelid
       AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i')
    UNION ALL
    SELECT seqrelid, adrelid, adnum, false
      FROM sequence JOIN pg_depend d ON refclassid = 'pg_class'::regclass AND refobjid = seqrelid
       AND d.classid = 'pg_attrdef'::regclass JOIN pg_attrdef a ON a.oid = d.objid
), held AS (
    -- The sequence of an identity column has the type of the column.
    SELECT seqrelid, relid, attnum FROM fed WHERE NOT is_identity
    UNION
    SELECT seqrelid, conrelid, own
      FROM fed JOIN pg_constraint ON contype = 'f' AND confrelid = relid
      CROSS JOIN LATERAL unnest(conkey, confkey) AS pair (own, referenced)
     WHERE referenced = attnum
), sized AS MATERIALIZED (
    SELECT held.*, (SELECT attlen FROM pg_attribute a WHERE attrelid = relid AND a.attnum = held.attnum) AS attlen
      FROM held
), narrowest AS (
    SELECT DISTINCT ON (seqrelid) seqrelid, relid, attnum, 2::float8 ^ (8 * attlen - 1) - 1 AS most
      FROM sized WHERE attlen IN (2, 4) ORDER BY seqrelid, attlen
), bounded AS MATERIALIZED (
    -- A bigint sequence of a bigint column never runs out, and is skipped.
    SELECT seqrelid, relid, attnum, first_possible, rises, start,
           CASE WHEN last_possible > most THEN most WHEN last_possible < -most THEN -most ELSE last_possible END AS stop,
           has_sequence_privilege(seqrelid, 'SELECT') AS readable
      FROM sequence LEFT JOIN narrowest USING (seqrelid)
     WHERE least(most, abs(last_possible)) < 1e15
       AND (NOT seqcycle OR last_possible NOT BETWEEN -most - 1 AND most)
), read AS MATERIALIZED (
    SELECT bounded.*, CASE WHEN readable THEN pg_sequence_last_value(seqrelid) END::float8 AS value FROM bounded
), ended AS (
    -- A sequence restarted before its start, to reuse the other half of the range, collides with the first values.
    SELECT seqrelid, relid, attnum, readable, value, first_possible,
           CASE WHEN rises AND value < start THEN least(stop, start - 1)
                WHEN NOT rises AND value > start THEN greatest(stop, start + 1) ELSE stop END AS stop
      FROM read
), used AS (
    SELECT *, coalesce(100 * (value - first_possible) / nullif(stop - first_possible, 0), 0) AS used FROM ended
)
SELECT (SELECT nspname || '.' || relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
         WHERE c.oid = seqrelid),
       (SELECT relname || '.' || attname FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid
         WHERE c.oid = relid AND a.attnum = used.attnum),
       readable, coalesce(value, first_possible), stop, used, extract(EPOCH FROM now())::float8
  FROM (SELECT *, row_number() OVER (PARTITION BY readable ORDER BY used DESC) AS place FROM used) AS used
 WHERE place <= 50
 ORDER BY readable, used DESC
