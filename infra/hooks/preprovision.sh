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
is_plain() ( # in a shell of its own: only there a range of signs is that of ASCII
  LC_ALL=C
  case $1 in *[!!-~]*) exit 1 ;; esac
)
if [ -n "$key" ]; then # the app's own rule (shared/api_key.py)
  is_plain "$key" || fail "ICEWATCH_API_KEY holds a blank, a line break or a sign outside of ASCII; expected letters, digits and signs of ASCII."
  [ "${#key}" -ge 20 ] && [ "${#key}" -le 200 ] || fail "ICEWATCH_API_KEY has ${#key} characters; expected 20 to 200."
fi

six_fields() { # setting, value
  set -f # the stars are meant as they are
  name=$1
  # shellcheck disable=SC2086 # to be split into its fields
  set -- $2
  [ $# -eq 0 ] || [ $# -eq 6 ] || fail "$name has $# fields; expected six: second minute hour day month day-of-week."
}
six_fields ICEWATCH_SCHEDULE "${ICEWATCH_SCHEDULE:-}"
six_fields ICEWATCH_WATCH_SCHEDULE "${ICEWATCH_WATCH_SCHEDULE:-}"

account=${AZURE_SUBSCRIPTION_ID:-$account} group=rg-icewatch-${AZURE_ENV_NAME:?is not set; run this by azd}
there=$(az group exists --name "$group" --subscription "$account" --output tsv) || fail "az cannot tell whether $group exists."
case $there in # whoever takes any other answer for a no forgets an image that works
  true | false) ;;
  *) fail "az says neither true nor false to whether $group exists, but '$there'." ;;
esac

of_group() { # what is listed of the group, and which of it
  az rest --method get --output tsv --url "/subscriptions/$account/resourceGroups/$group/providers/$1" --query "$2"
}

keep() { # setting, what azd's environment has, what it shall have
  [ "$2" = "$3" ] || azd env set "$1" "$3" || fail "azd could not keep $1."
}

# The image of the container step is the one that its job has now, whatever this environment remembers: another machine
# may have deployed since, or everything may be gone. Without this, azd provision would put back an old image, or none.
if [ "$there" = true ]; then
  image=$(of_group "Microsoft.App/jobs?api-version=2025-01-01" \
    "value[?starts_with(name, 'job-correct-')].properties.template.containers[0].image") ||
    fail "az cannot read which image the container step of $group has."
  case $image in
    '' | None | */k8se/quickstart-jobs:*) image=${SERVICE_CORRECT_IMAGE_NAME:-} ;; # no job yet, or only the stand-in
  esac
else
  image= # the registry goes with the group, and with it what this environment may remember
fi
keep SERVICE_CORRECT_IMAGE_NAME "${SERVICE_CORRECT_IMAGE_NAME:-}" "$image"
[ -n "$image" ] ||
  echo "preprovision: the container step has no image yet; azd up or azd deploy correct makes one, azd provision alone leaves a stand-in that corrects nothing."

# A budget begins with the month in which it is made, and keeps that month for as long as it is there.
if [ "${ICEWATCH_MONTHLY_BUDGET:-150}" != 0 ]; then
  month=
  if [ "$there" = true ]; then
    month=$(of_group "Microsoft.Consumption/budgets?api-version=2024-08-01" \
      "value[?starts_with(name, 'budget-')].properties.timePeriod.startDate") ||
      fail "az cannot read the budget of $group; where budgets are unknown: azd env set ICEWATCH_MONTHLY_BUDGET 0"
  fi
  case $month in
    [0-9][0-9][0-9][0-9]-[0-9][0-9]-*) month=${month%"${month#???????}"}-01 ;;
    *) month=$(date -u +%Y-%m-01) ;;
  esac
  keep ICEWATCH_BUDGET_START "${ICEWATCH_BUDGET_START:-}" "$month"
fi
