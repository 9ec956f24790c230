# Before anything is made: what is needed later is there, so that nothing stops half-way. Safe to run again.
$ErrorActionPreference = 'Stop'

function Stop-Hook([string] $Sentence) {
    [Console]::Error.WriteLine("preprovision: $Sentence")
    exit 1
}

if (-not (Get-Command az -ErrorAction SilentlyContinue)) {
    Stop-Hook "the Azure CLI 'az' is not installed; the hook after the deployment needs it."
}
az account show --output none 2>$null
if ($LASTEXITCODE -ne 0) { Stop-Hook 'the Azure CLI is not logged in; run: az login' }
if (-not $env:ALERT_EMAIL) { Stop-Hook 'alarms need an address; run: azd env set ALERT_EMAIL you@example.org' }
if (-not $env:SEN2COR_SHA256) {
    Stop-Hook 'the image installs Sen2Cor only if its digest is known; run: azd env set SEN2COR_SHA256 <digest>'
}

# A budget cannot change its first month: it is kept from the first deployment on.
if (-not $env:BUDGET_START) {
    $month = [DateTime]::UtcNow.ToString('yyyy-MM-01')
    azd env set BUDGET_START $month
    if ($LASTEXITCODE -ne 0) { Stop-Hook 'azd could not keep BUDGET_START.' }
}
