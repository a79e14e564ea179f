-- The shop's database: orders by day, with their customers.
CREATE TABLE customers (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY,
    customer integer NOT NULL REFERENCES customers,
    placed_at timestamptz NOT NULL,
    total numeric NOT NULL,
    PRIMARY KEY (id, placed_at)
) PARTITION BY RANGE (placed_at);
CREATE INDEX ON orders (customer);
CREATE FUNCTION make_partitions() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    day date;
BEGIN
    FOR day IN SELECT generate_series(current_date - 8, current_date + 14, interval '1 day') LOOP
        EXECUTE format('CREATE TABLE IF NOT EXISTS orders_%s PARTITION OF orders FOR VALUES FROM (%L) TO (%L)',
                       to_char(day, 'YYYYMMDD'), day, day + 1);
    END LOOP;
END
$$;
SELECT make_partitions();
INSERT INTO customers (email)
SELECT format('customer%s@shop.test', n) FROM generate_series(1, 2000) AS n;
INSERT INTO orders (customer, placed_at, total)
SELECT 1 + n % 2000, now() - n * interval '1 minute', 10 + n % 90 FROM generate_series(1, 10000) AS n;
