metadata description = 'Container registry for the image of the container step; pulled by identity, no admin user.'

@description('Part of the name that makes it unique.')
param token string
@description('Region.')
param location string
@description('Tags.')
param tags object

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' = {
  name: 'cr${token}'
  location: location
  tags: tags
  sku: { name: 'Basic' }
  properties: {
    adminUserEnabled: false
    anonymousPullEnabled: false
    publicNetworkAccess: 'Enabled'
  }
}

@description('Name of the registry.')
output name string = registry.name
@description('Host name of the registry.')
output loginServer string = registry.properties.loginServer
