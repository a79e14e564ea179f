-- Does the default partition of a table hold rows from `start` to `finish`? One JSON boolean.
SELECT format('SELECT to_json(EXISTS (SELECT FROM %s WHERE %I >= %L AND %I < %L))', :'default', :'column', :'start',
              :'column', :'finish')
\gexec
