metadata description = 'The overview in the portal: queues, states, latency, failures, cost.'

@description('Region.')
param location string
@description('Tags.')
param tags object
@description('Resource id of the Log Analytics workspace.')
param workspaceId string

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'icewatch-overview')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'IceWatch'
    category: 'workbook'
    version: '1.0'
    sourceId: workspaceId
    serializedData: replace(string(loadJsonContent('workbook.json')), '<workspace>', workspaceId)
  }
}

@description('Resource id of the workbook.')
output id string = workbook.id
