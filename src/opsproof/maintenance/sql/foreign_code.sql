-- Which functions of roles that are no superusers can definitions of a partitioned table call: constraints, indexes,
-- statistics, defaults, keys and types of columns, of the table `schema`.`name` and its partitions?
--
-- One JSON list of texts: function and owner.
WITH RECURSIVE family AS (
    SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
     WHERE nspname = :'schema' AND relname = :'name'
    UNION
    SELECT inhrelid FROM pg_inherits JOIN family ON inhparent = family.oid
), reached (class, oid) AS (
    SELECT 'pg_class'::regclass::oid, oid FROM family
    UNION
    SELECT next.class, next.oid
      FROM reached, LATERAL (
        SELECT refclassid, refobjid FROM pg_depend
         WHERE classid = reached.class AND objid = reached.oid
           AND refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass, 'pg_opclass'::regclass,
                              'pg_opfamily'::regclass)
        UNION ALL
        SELECT 'pg_constraint'::regclass, c.oid FROM pg_constraint c
         WHERE (reached.class = 'pg_class'::regclass AND conrelid = reached.oid AND contype IN ('c', 'x'))
            OR (reached.class = 'pg_type'::regclass AND contypid = reached.oid)
        UNION ALL
        SELECT 'pg_class'::regclass, indexrelid FROM pg_index
         WHERE reached.class = 'pg_class'::regclass AND indrelid = reached.oid
        UNION ALL
        SELECT 'pg_attrdef'::regclass, a.oid FROM pg_attrdef a
         WHERE reached.class = 'pg_class'::regclass AND adrelid = reached.oid
        UNION ALL
        SELECT 'pg_statistic_ext'::regclass, s.oid FROM pg_statistic_ext s
         WHERE reached.class = 'pg_class'::regclass AND stxrelid = reached.oid
      ) AS next (class, oid)
)
SELECT coalesce(json_agg(DISTINCT format('%s of %s', p.oid::regprocedure, rolname)), '[]')
  FROM reached JOIN pg_proc p ON p.oid = reached.oid JOIN pg_roles r ON r.oid = proowner
 WHERE reached.class = 'pg_proc'::regclass AND NOT rolsuper;
