#!/bin/sh
# After the deployment: one Event Grid subscription for each blob-triggered function. Safe to run again: a subscription
# that is there is replaced, with the key as it is now. The endpoint holds a key, so it goes by a private file and is
# never shown.
set -eu

fail() {
  echo "postdeploy: $1" >&2
  exit 1
}

: "${AZURE_RESOURCE_GROUP:?is not set; run azd provision first}"
: "${AZURE_FUNCTION_APP_NAME:?is not set; run azd provision first}"
: "${AZURE_FUNCTION_APP_HOST:?is not set; run azd provision first}"
: "${EVENT_TOPIC_NAME:?is not set; run azd provision first}"
: "${BLOB_TRIGGERS:?is not set; run azd provision first}"
tries=${HOOK_TRIES:-20} # the app makes the key when it has started once, and answers Event Grid when it runs
pause=${HOOK_PAUSE:-15} # seconds

command -v az >/dev/null 2>&1 || fail "the Azure CLI 'az' is not installed."
az account show --query id --output tsv >/dev/null 2>&1 || fail "the Azure CLI is not logged in; run: az login, then: azd hooks run postdeploy"
umask 077
endpoint=$(mktemp)
trap 'rm -f "$endpoint"' EXIT
trap 'exit 1' HUP INT TERM

read_key() {
  az functionapp keys list --name "$AZURE_FUNCTION_APP_NAME" --resource-group "$AZURE_RESOURCE_GROUP" \
    ${AZURE_SUBSCRIPTION_ID:+--subscription "$AZURE_SUBSCRIPTION_ID"} \
    --query systemKeys.blobs_extension --output tsv
}

subscribe() { # function, begins, ends
  set -- "$@" --included-event-types Microsoft.Storage.BlobCreated --subject-begins-with "$2"
  function=$1 ends=$3
  shift 3
  if [ -n "$ends" ]; then set -- "$@" --subject-ends-with "$ends"; fi
  az eventgrid system-topic event-subscription create --name "$function" --resource-group "$AZURE_RESOURCE_GROUP" \
    ${AZURE_SUBSCRIPTION_ID:+--subscription "$AZURE_SUBSCRIPTION_ID"} \
    --system-topic-name "$EVENT_TOPIC_NAME" --endpoint-type webhook --endpoint "@$endpoint" "$@" --output none
}

key=
try=1
while :; do
  key=$(read_key) || key=
  if [ -n "$key" ] && [ "$key" != None ]; then break; fi
  [ "$try" -lt "$tries" ] ||
    fail "the key blobs_extension of $AZURE_FUNCTION_APP_NAME cannot be read after $tries tries; has the app started (portal, Log stream)? Then run: azd hooks run postdeploy"
  try=$((try + 1))
  sleep "$pause"
done

rest=$BLOB_TRIGGERS
while [ -n "$rest" ]; do
  one=${rest%%;*}
  case $rest in
    *\;*) rest=${rest#*;} ;;
    *) rest= ;;
  esac
  function=${one%%|*} filter=${one#*|}
  begins=${filter%%|*} ends=${filter#*|}
  printf 'https://%s/runtime/webhooks/blobs?functionName=Host.Functions.%s&code=%s' \
    "$AZURE_FUNCTION_APP_HOST" "$function" "$key" >"$endpoint"
  try=1
  until subscribe "$function" "$begins" "$ends"; do
    [ "$try" -lt "$tries" ] || fail "Event Grid cannot subscribe function $function after $tries tries; run: azd hooks run postdeploy"
    try=$((try + 1))
    sleep "$pause"
  done
  echo "postdeploy: function $function is told of blobs below $begins"
done
