# Before anything is made: what is needed later is there, so that nothing stops half-way. Safe to run again.
$ErrorActionPreference = 'Stop'

function Stop-Hook([string] $Sentence) {
    [Console]::Error.WriteLine("preprovision: $Sentence")
    exit 1
}

if (-not (Get-Command az -ErrorAction SilentlyContinue)) {
    Stop-Hook "the Azure CLI 'az' is not installed; the hook after the deployment needs it."
}
$account = az account show --query id --output tsv 2>$null
if ($LASTEXITCODE -ne 0) { Stop-Hook 'the Azure CLI is not logged in; run: az login' }
if (-not $env:ICEWATCH_ALERT_EMAIL) {
    Stop-Hook 'alarms need an address; run: azd env set ICEWATCH_ALERT_EMAIL you@example.org'
}
if (-not $env:ICEWATCH_SEN2COR_SHA256) {
    Stop-Hook 'the image installs Sen2Cor only if its digest is known; run: azd env set ICEWATCH_SEN2COR_SHA256 <digest>'
}
$key = $env:ICEWATCH_API_KEY
if ($key) { # the app's own rule (shared/api_key.py)
    if ($key -cmatch '[^\x21-\x7e]') {
        Stop-Hook 'ICEWATCH_API_KEY holds a blank, a line break or a sign outside of ASCII; expected letters, digits and signs of ASCII.'
    }
    if ($key.Length -lt 20 -or $key.Length -gt 200) {
        Stop-Hook "ICEWATCH_API_KEY has $($key.Length) characters; expected 20 to 200."
    }
}

function Test-SixFields([string] $Name, [string] $Value) {
    $count = @($Value -split '\s+' | Where-Object { $_ }).Count
    if ($count -notin 0, 6) {
        Stop-Hook "$Name has $count fields; expected six: second minute hour day month day-of-week."
    }
}
Test-SixFields ICEWATCH_SCHEDULE $env:ICEWATCH_SCHEDULE
Test-SixFields ICEWATCH_WATCH_SCHEDULE $env:ICEWATCH_WATCH_SCHEDULE

if (-not $env:AZURE_ENV_NAME) { Stop-Hook 'AZURE_ENV_NAME is not set; run this by azd' }
if ($env:AZURE_SUBSCRIPTION_ID) { $account = $env:AZURE_SUBSCRIPTION_ID }
$group = "rg-icewatch-$($env:AZURE_ENV_NAME)"
$there = [string] (az group exists --name $group --subscription $account --output tsv)
if ($LASTEXITCODE -ne 0) { Stop-Hook "az cannot tell whether $group exists." }
if ($there -notin 'true', 'false') { # whoever takes any other answer for a no forgets an image that works
    Stop-Hook "az says neither true nor false to whether $group exists, but '$there'."
}

function Get-OfGroup([string] $Listed, [string] $Query) {
    az rest --method get --output tsv --url "/subscriptions/$account/resourceGroups/$group/providers/$Listed" --query $Query
}

function Set-Kept([string] $Name, [string] $Known, [string] $Value) {
    if ($Value -ceq $Known) { return }
    azd env set "$Name=$Value" # as one word: PowerShell before 7.3 leaves an empty one out
    if ($LASTEXITCODE -ne 0) { Stop-Hook "azd could not keep $Name." }
}

# The image of the container step is the one that its job has now, whatever this environment remembers: another machine
# may have deployed since, or everything may be gone. Without this, azd provision would put back an old image, or none.
$image = '' # the registry goes with the group, and with it what this environment may remember
if ($there -eq 'true') {
    $image = [string] @(Get-OfGroup 'Microsoft.App/jobs?api-version=2025-01-01' `
            "value[?starts_with(name, 'job-correct-')].properties.template.containers[0].image")[0]
    if ($LASTEXITCODE -ne 0) { Stop-Hook "az cannot read which image the container step of $group has." }
    if (-not $image -or $image -eq 'None' -or $image -like '*/k8se/quickstart-jobs:*') {
        $image = [string] $env:SERVICE_CORRECT_IMAGE_NAME # no job yet, or only the stand-in
    }
}
Set-Kept SERVICE_CORRECT_IMAGE_NAME $env:SERVICE_CORRECT_IMAGE_NAME $image
if (-not $image) {
    Write-Host 'preprovision: the container step has no image yet; azd up or azd deploy correct makes one, azd provision alone leaves a stand-in that corrects nothing.'
}

# A budget begins with the month in which it is made, and keeps that month for as long as it is there.
if ($env:ICEWATCH_MONTHLY_BUDGET -ne '0') {
    $month = ''
    if ($there -eq 'true') {
        $month = [string] @(Get-OfGroup 'Microsoft.Consumption/budgets?api-version=2024-08-01' `
                "value[?starts_with(name, 'budget-')].properties.timePeriod.startDate")[0]
        if ($LASTEXITCODE -ne 0) {
            Stop-Hook "az cannot read the budget of $group; where budgets are unknown: azd env set ICEWATCH_MONTHLY_BUDGET 0"
        }
    }
    $month = if ($month -match '^\d{4}-\d{2}-') { "$($month.Substring(0, 7))-01" } else { [DateTime]::UtcNow.ToString('yyyy-MM-01') }
    Set-Kept ICEWATCH_BUDGET_START $env:ICEWATCH_BUDGET_START $month
}
