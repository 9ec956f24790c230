metadata description = 'Event Grid tells of new blobs. The subscriptions need a key of the running app: infra/hooks/postdeploy makes them.'

import { blobTriggers } from 'names.bicep'

@description('Part of the name that makes it unique.')
param token string
@description('Region.')
param location string
@description('Tags.')
param tags object
@description('Resource id of the storage account.')
param storageId string

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: 'evgt-${token}'
  location: location
  tags: tags
  properties: {
    source: storageId
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

@description('Name of the system topic.')
output topicName string = topic.name
@description('The subscriptions to make: function|begins|ends, separated by semicolons.')
output blobTriggers string = join(map(blobTriggers, one => '${one.function}|${one.begins}|${one.ends}'), ';')
