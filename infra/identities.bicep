metadata description = 'Two identities: the function app and the container step can do different things.'

@description('Part of the names that makes them unique.')
param token string
@description('Region.')
param location string
@description('Tags.')
param tags object

resource functions 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-functions-${token}'
  location: location
  tags: tags
}

resource job 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-correct-${token}'
  location: location
  tags: tags
}

@description('Resource id of the identity of the function app.')
output functionsId string = functions.id
@description('Client id of the identity of the function app.')
output functionsClientId string = functions.properties.clientId
@description('Object id of the identity of the function app.')
output functionsPrincipalId string = functions.properties.principalId
@description('Resource id of the identity of the container step.')
output jobId string = job.id
@description('Client id of the identity of the container step.')
output jobClientId string = job.properties.clientId
@description('Object id of the identity of the container step.')
output jobPrincipalId string = job.properties.principalId
