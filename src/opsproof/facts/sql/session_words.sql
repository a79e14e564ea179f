-- Which text of a statement is safe to show, without literals?
(SELECT CASE WHEN s.query !~ '\\|\$\D' AND words ~* '{tellable}' THEN left(btrim(words), 100)
                    ELSE substring(words FROM '^\W*(\w+)') END
          FROM regexp_replace(s.query, '("[^"]*")|''([^'']|'''')*(''|$)|--[^\n]*|/\*.*?(\*/|$)|\m\d[\d.]*\M', '\1', 'g') AS words)
