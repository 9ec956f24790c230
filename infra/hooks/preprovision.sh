#!/bin/sh
# Before anything is made: what is needed later is there, so that nothing stops half-way. Safe to run again.
set -eu

fail() {
  echo "preprovision: $1" >&2
  exit 1
}

command -v az >/dev/null 2>&1 || fail "the Azure CLI 'az' is not installed; the hook after the deployment needs it."
account=$(az account show --query id --output tsv 2>/dev/null) || fail "the Azure CLI is not logged in; run: az login"
[ -n "${ICEWATCH_ALERT_EMAIL:-}" ] || fail "alarms need an address; run: azd env set ICEWATCH_ALERT_EMAIL you@example.org"
[ -n "${ICEWATCH_SEN2COR_SHA256:-}" ] ||
  fail "the image installs Sen2Cor only if its digest is known; run: azd env set ICEWATCH_SEN2COR_SHA256 <digest>"
key=${ICEWATCH_API_KEY:-}
[ -z "$key" ] || [ "${#key}" -ge 20 ] || fail "ICEWATCH_API_KEY has ${#key} characters; expected 20 or more."

six_fields() { # setting, value
  set -f # the stars are meant as they are
  name=$1
  # shellcheck disable=SC2086 # to be split into its fields
  set -- $2
  [ $# -eq 0 ] || [ $# -eq 6 ] || fail "$name has $# fields; expected six: second minute hour day month day-of-week."
}
six_fields ICEWATCH_SCHEDULE "${ICEWATCH_SCHEDULE:-}"
six_fields ICEWATCH_WATCH_SCHEDULE "${ICEWATCH_WATCH_SCHEDULE:-}"

# A budget begins with the month in which it is made, and keeps that month for as long as it is there.
if [ "${ICEWATCH_MONTHLY_BUDGET:-150}" != 0 ]; then
  account=${AZURE_SUBSCRIPTION_ID:-$account} group=rg-icewatch-${AZURE_ENV_NAME:?is not set; run this by azd}
  there=$(az group exists --name "$group" --subscription "$account") || fail "az cannot tell whether $group exists."
  month=
  if [ "$there" = true ]; then
    month=$(az rest --method get --output tsv --query \
      "value[?starts_with(name, 'budget-')].properties.timePeriod.startDate" --url \
      "/subscriptions/$account/resourceGroups/$group/providers/Microsoft.Consumption/budgets?api-version=2024-08-01") ||
      fail "az cannot read the budget of $group; where budgets are unknown: azd env set ICEWATCH_MONTHLY_BUDGET 0"
  fi
  case $month in
    [0-9][0-9][0-9][0-9]-[0-9][0-9]-*) month=${month%"${month#???????}"}-01 ;;
    *) month=$(date -u +%Y-%m-01) ;;
  esac
  if [ "$month" != "${ICEWATCH_BUDGET_START:-}" ]; then
    azd env set ICEWATCH_BUDGET_START "$month" || fail "azd could not keep ICEWATCH_BUDGET_START."
  fi
fi
