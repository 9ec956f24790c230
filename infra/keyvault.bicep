metadata description = 'Key vault for the logins of the providers; read by the function app as references in its settings.'

@description('Part of the name that makes it unique.')
param token string
@description('Region.')
param location string
@description('Tags.')
param tags object
@description('True: a deleted vault cannot be purged before its time.')
param purgeProtection bool
@secure()
@description('User of the Copernicus Data Space; empty: left as it is.')
param copernicusUser string
@secure()
@description('Password of the Copernicus Data Space; empty: left as it is.')
param copernicusPassword string
@secure()
@description('User of a DHuS hub; empty: left as it is.')
param dhusUser string
@secure()
@description('Password of a DHuS hub; empty: left as it is.')
param dhusPassword string
@secure()
@description('Key that the API and the pages ask for; empty: left as it is.')
param apiKey string

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: 'kv-${token}'
  location: location
  tags: tags
  properties: {
    tenantId: subscription().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 7
    enablePurgeProtection: purgeProtection ? true : null // false is refused: it can be switched on only
    publicNetworkAccess: 'Enabled'
  }
}

resource copernicusUserSecret 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(copernicusUser)) {
  parent: vault
  name: 'copernicus-user'
  properties: { value: copernicusUser }
}

resource copernicusPasswordSecret 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(copernicusPassword)) {
  parent: vault
  name: 'copernicus-password'
  properties: { value: copernicusPassword }
}

resource dhusUserSecret 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(dhusUser)) {
  parent: vault
  name: 'dhus-user'
  properties: { value: dhusUser }
}

resource dhusPasswordSecret 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(dhusPassword)) {
  parent: vault
  name: 'dhus-password'
  properties: { value: dhusPassword }
}

resource apiKeySecret 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(apiKey)) {
  parent: vault
  name: 'api-key'
  properties: { value: apiKey }
}

@description('Name of the vault.')
output name string = vault.name
@description('Address of the vault, with a slash at its end.')
output uri string = vault.properties.vaultUri
