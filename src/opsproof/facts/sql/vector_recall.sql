-- How many nearest neighbours does a vector index find, for a sample of rows?
SELECT opsproof.vector_recall($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
