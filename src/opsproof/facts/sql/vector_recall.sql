-- How many nearest neighbours does a vector index find, for a sample of rows?
SELECT CASE WHEN pg_get_userbyid(proowner) = 'opsproof_recall'  -- code of another owner would run with our rights
            THEN opsproof.vector_recall($1::text, $2::text, $3::text, $4::text, $5::text, $6::integer, $7::text,
                                        $8::text, $9::text, $10::integer, $11::double precision) END
  FROM pg_proc
 WHERE oid = ('opsproof.vector_recall(text, text, text, text, text, integer, text, text, text, integer, '
              'double precision)')::regprocedure
