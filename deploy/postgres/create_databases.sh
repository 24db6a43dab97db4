#!/usr/bin/env bash
# Run by the image at the first start: a role and a database per service, each closed to the other.
set -euo pipefail

create() {
  psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres -v name="$1" -v password="$2" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC;
SQL
}

create user_service "$USER_DATABASE_PASSWORD"
create chat_service "$CHAT_DATABASE_PASSWORD"
