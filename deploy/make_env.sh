#!/usr/bin/env bash
# Settings of a new compose stack, with fresh random secrets, on standard output.
set -euo pipefail
umask 077

secret() { head -c 32 /dev/urandom | base64 -w 0 | tr '+/' '-_' | tr -d '='; }

cat <<END
# Made by deploy/make_env.sh. Whoever reads this can sign in as anybody: keep it to yourself, and keep a copy.
PARLEY_PORT=${PARLEY_PORT:-8080}
PARLEY_LOG_LEVEL=info
# how often one address may register and ask has defaults, which a load test or an import may need to raise:
# PARLEY_REGISTRATIONS_PER_HOUR=1000 and others, see docs/operations.md
PARLEY_SIGNING_KEY=$(secret)
PARLEY_EMAIL_DIGEST_KEY=$(secret)
# PARLEY_EMAIL_DIGEST_SECOND_KEY stands here only while the key is changed: docs/operations.md
PARLEY_SERVICE_TOKEN=$(secret)
PARLEY_BROKER_PASSWORD=$(secret)
PARLEY_POSTGRES_PASSWORD=$(secret)
PARLEY_USER_DATABASE_PASSWORD=$(secret)
PARLEY_CHAT_DATABASE_PASSWORD=$(secret)
END
