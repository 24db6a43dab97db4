#!/usr/bin/env bash
# test_stack.sh PYTHON: topology and bus at RabbitMQ 4, in a container, and the end-to-end tests against a stack of their
# own. All of it is taken down again whatever happens.
set -euo pipefail
python=$1

project=parley-test-$$
env=$(mktemp)
export PARLEY_PORT
PARLEY_PORT=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
deploy/make_env.sh >"$env"
# all tests come from one address
for what in AVAILABILITY_CHECKS REGISTRATIONS LOGINS FAILED_LOGINS; do
  echo "PARLEY_${what}_PER_HOUR=1000000000" >>"$env"
done

compose() { docker compose --project-name "$project" --env-file "$env" "$@"; }
# shellcheck disable=SC2329 # called by the trap
clean_up() {
  status=$?
  [[ $status == 0 ]] || compose logs --no-color --tail 100 || true
  compose down --volumes --remove-orphans --timeout 5 || true
  rm -f "$env"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# the broker that the stack has: `make test` may have found an older one
"$python" -m pytest tests/contract/release/test_topology.py tests/conformance/test_rabbitmq_bus.py \
  tests/integration/messaging

compose up --build --wait --detach --scale gateway_ws=2 --scale chat_service=2 --scale bloom_service=2
PARLEY_TEST_TARGET=stack PARLEY_TEST_URL=http://127.0.0.1:$PARLEY_PORT PARLEY_TEST_COMPOSE_PROJECT=$project \
  "$python" -m pytest tests/e2e
