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
if ($env:ICEWATCH_API_KEY -and $env:ICEWATCH_API_KEY.Length -lt 20) {
    Stop-Hook "ICEWATCH_API_KEY has $($env:ICEWATCH_API_KEY.Length) characters; expected 20 or more."
}

function Test-SixFields([string] $Name, [string] $Value) {
    $count = @($Value -split '\s+' | Where-Object { $_ }).Count
    if ($count -notin 0, 6) {
        Stop-Hook "$Name has $count fields; expected six: second minute hour day month day-of-week."
    }
}
Test-SixFields ICEWATCH_SCHEDULE $env:ICEWATCH_SCHEDULE
Test-SixFields ICEWATCH_WATCH_SCHEDULE $env:ICEWATCH_WATCH_SCHEDULE

# A budget begins with the month in which it is made, and keeps that month for as long as it is there.
if ($env:ICEWATCH_MONTHLY_BUDGET -ne '0') {
    if (-not $env:AZURE_ENV_NAME) { Stop-Hook 'AZURE_ENV_NAME is not set; run this by azd' }
    if ($env:AZURE_SUBSCRIPTION_ID) { $account = $env:AZURE_SUBSCRIPTION_ID }
    $group = "rg-icewatch-$($env:AZURE_ENV_NAME)"
    $there = az group exists --name $group --subscription $account
    if ($LASTEXITCODE -ne 0) { Stop-Hook "az cannot tell whether $group exists." }
    $month = ''
    if ($there -eq 'true') {
        $month = @(az rest --method get --output tsv --query `
            "value[?starts_with(name, 'budget-')].properties.timePeriod.startDate" --url `
            "/subscriptions/$account/resourceGroups/$group/providers/Microsoft.Consumption/budgets?api-version=2024-08-01")[0]
        if ($LASTEXITCODE -ne 0) {
            Stop-Hook "az cannot read the budget of $group; where budgets are unknown: azd env set ICEWATCH_MONTHLY_BUDGET 0"
        }
    }
    $month = if ($month -match '^\d{4}-\d{2}-') { "$($month.Substring(0, 7))-01" } else { [DateTime]::UtcNow.ToString('yyyy-MM-01') }
    if ($month -ne $env:ICEWATCH_BUDGET_START) {
        azd env set ICEWATCH_BUDGET_START $month
        if ($LASTEXITCODE -ne 0) { Stop-Hook 'azd could not keep ICEWATCH_BUDGET_START.' }
    }
}
