"""PostgreSQL: the SQL functions of estoque that the operator may call."""
