// long: takes minutes
UNWIND range(1, 100000) AS a
UNWIND range(1, 100000) AS b
WITH a, b WHERE (a * b) % 7 = $left
RETURN count(*) AS n;

// running: how many transactions with a mark are at work
SHOW TRANSACTIONS YIELD currentQuery, parameters
WHERE parameters.mark = $mark AND NOT currentQuery STARTS WITH 'SHOW' AND NOT currentQuery CONTAINS 'SHOW TRANSACTIONS'
RETURN count(*) AS n;
