-- Which of the roles in `names`, one a line, does the server lack? If any, also whether it lacks `loader`.
WITH missing AS (
    SELECT name
      FROM unnest(string_to_array(:'names', E'\n')) AS name
     WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
)
SELECT name || CASE name WHEN :'loader' THEN ' (load_user)' ELSE '' END FROM missing
 UNION
SELECT :'loader' || ' (load_user)'
 WHERE :'loader' <> '' AND EXISTS (SELECT FROM missing)
   AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'loader')
 ORDER BY 1;
