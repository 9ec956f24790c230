#!/bin/sh
# Before anything is made: what is needed later is there, so that nothing stops half-way. Safe to run again.
set -eu

fail() {
  echo "preprovision: $1" >&2
  exit 1
}

command -v az >/dev/null 2>&1 || fail "the Azure CLI 'az' is not installed; the hook after the deployment needs it."
az account show --output none 2>/dev/null || fail "the Azure CLI is not logged in; run: az login"
[ -n "${ALERT_EMAIL:-}" ] || fail "alarms need an address; run: azd env set ALERT_EMAIL you@example.org"
[ -n "${SEN2COR_SHA256:-}" ] ||
  fail "the image installs Sen2Cor only if its digest is known; run: azd env set SEN2COR_SHA256 <digest>"

# A budget cannot change its first month: it is kept from the first deployment on.
if [ -z "${BUDGET_START:-}" ]; then
  azd env set BUDGET_START "$(date -u +%Y-%m-01)" || fail "azd could not keep BUDGET_START."
fi
