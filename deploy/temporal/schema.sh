#!/bin/sh
# Makes and updates the two databases of Temporal; running it again changes nothing.
set -eu
for database in temporal visibility; do
  name=temporal
  [ "$database" = visibility ] && name=temporal_visibility
  sql() { temporal-sql-tool --plugin postgres12 --ep postgresql -p 5432 -u ensemble_admin --db "$name" "$@"; }
  sql create || echo "database $name is there"
  sql setup-schema -v 0.0 || echo "schema of $name is there"
  sql update-schema -d "/etc/temporal/schema/postgresql/v12/$database/versioned"
done
