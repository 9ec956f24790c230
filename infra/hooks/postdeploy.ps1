# After the deployment: one Event Grid subscription for each blob-triggered function. Safe to run again: a subscription
# that is there is replaced, with the key as it is now. The endpoint holds a key, so it goes by a private file and is
# never shown.
$ErrorActionPreference = 'Stop'

function Stop-Hook([string] $Sentence) {
    if ($endpoint) { Remove-Item -Force $endpoint.FullName }
    [Console]::Error.WriteLine("postdeploy: $Sentence")
    exit 1
}

foreach ($name in 'AZURE_RESOURCE_GROUP', 'AZURE_FUNCTION_APP_NAME', 'AZURE_FUNCTION_APP_HOST', 'EVENT_TOPIC_NAME', 'BLOB_TRIGGERS') {
    if (-not [Environment]::GetEnvironmentVariable($name)) { Stop-Hook "$name is not set; run azd provision first" }
}
$tries = if ($env:HOOK_TRIES) { [int] $env:HOOK_TRIES } else { 20 } # the app makes the key when it has started once
$pause = if ($env:HOOK_PAUSE) { [int] $env:HOOK_PAUSE } else { 15 } # seconds
if (-not (Get-Command az -ErrorAction SilentlyContinue)) { Stop-Hook "the Azure CLI 'az' is not installed." }
az account show --query id --output tsv 2>$null | Out-Null
if ($LASTEXITCODE -ne 0) { Stop-Hook 'the Azure CLI is not logged in; run: az login, then: azd hooks run postdeploy' }

$where = @() # the subscription that azd deploys to, whichever az was set to meanwhile
if ($env:AZURE_SUBSCRIPTION_ID) { $where = @('--subscription', $env:AZURE_SUBSCRIPTION_ID) }

function Read-Key {
    $key = az functionapp keys list --name $env:AZURE_FUNCTION_APP_NAME --resource-group $env:AZURE_RESOURCE_GROUP `
        @where --query systemKeys.blobs_extension --output tsv
    if ($LASTEXITCODE -ne 0 -or $key -eq 'None') { return '' }
    return $key
}

$endpoint = New-TemporaryFile # below the user's own folder
try {
    $key = Read-Key
    for ($try = 1; -not $key; $try++) {
        if ($try -ge $tries) {
            Stop-Hook "the key blobs_extension of $env:AZURE_FUNCTION_APP_NAME cannot be read after $tries tries; has the app started (portal, Log stream)? Then run: azd hooks run postdeploy"
        }
        Start-Sleep -Seconds $pause
        $key = Read-Key
    }
    foreach ($one in $env:BLOB_TRIGGERS -split ';') {
        $function, $begins, $ends = $one -split '\|'
        $address = "https://$($env:AZURE_FUNCTION_APP_HOST)/runtime/webhooks/blobs?functionName=Host.Functions.$function&code=$key"
        [IO.File]::WriteAllText($endpoint.FullName, $address)
        $filter = @('--included-event-types', 'Microsoft.Storage.BlobCreated', '--subject-begins-with', $begins)
        if ($ends) { $filter += @('--subject-ends-with', $ends) }
        for ($try = 1; ; $try++) {
            az eventgrid system-topic event-subscription create --name $function --resource-group $env:AZURE_RESOURCE_GROUP `
                --system-topic-name $env:EVENT_TOPIC_NAME --endpoint-type webhook --endpoint "@$($endpoint.FullName)" `
                @where @filter --output none
            if ($LASTEXITCODE -eq 0) { break }
            if ($try -ge $tries) {
                Stop-Hook "Event Grid cannot subscribe function $function after $tries tries; run: azd hooks run postdeploy"
            }
            Start-Sleep -Seconds $pause
        }
        Write-Host "postdeploy: function $function is told of blobs below $begins"
    }
}
finally {
    if (Test-Path $endpoint.FullName) { Remove-Item -Force $endpoint.FullName }
}
