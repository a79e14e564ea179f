-- The archive's database: visits by week.
CREATE TABLE visits (
    id bigint GENERATED ALWAYS AS IDENTITY,
    seen_at timestamptz NOT NULL,
    page text NOT NULL,
    PRIMARY KEY (id, seen_at)
) PARTITION BY RANGE (seen_at);
CREATE FUNCTION make_partitions() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    week date;
BEGIN
    FOR week IN SELECT generate_series(date_trunc('week', now() - interval '5 weeks'),
                                       date_trunc('week', now() + interval '5 weeks'), interval '1 week') LOOP
        EXECUTE format('CREATE TABLE IF NOT EXISTS visits_%s PARTITION OF visits FOR VALUES FROM (%L) TO (%L)',
                       to_char(week, 'IYYY"w"IW'), week, week + 7);
    END LOOP;
END
$$;
SELECT make_partitions();
INSERT INTO visits (seen_at, page)
SELECT now() - n * interval '5 minutes', '/orders' FROM generate_series(1, 8000) AS n;
