metadata description = 'Log Analytics and Application Insights; both take data by identity only.'

@description('Part of the names that makes them unique.')
param token string
@description('Region.')
param location string
@description('Tags.')
param tags object
@minValue(30)
@maxValue(730)
@description('Days the logs are kept.')
param retentionDays int
@minValue(1)
@description('GB of logs a day after which no more are taken.')
param dailyCapGb int

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: 'log-${token}'
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: retentionDays
    workspaceCapping: { dailyQuotaGb: dailyCapGb }
    features: { disableLocalAuth: true, enableLogAccessUsingOnlyResourcePermissions: true }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${token}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    IngestionMode: 'LogAnalytics'
    DisableLocalAuth: true
  }
}

@description('Resource id of the workspace.')
output workspaceId string = workspace.id
@description('Name of Application Insights.')
output insightsName string = insights.name
@description('Where telemetry is sent to; no secret, as sending takes an identity.')
output insightsConnectionString string = insights.properties.ConnectionString
