metadata description = 'Names that the templates and the code share. `python -m infra.check` compares them with the code.'

@export()
@description('Blob containers that the code reads and writes (shared/models.py, shared/adapters/slots.py).')
var containers = ['l1c', 'l2a', 'surface', 'drop', 'config', 'models', 'staging', 'locks']

@export()
@description('Blob container that holds the packages of the function app; only the platform reads it.')
var packageContainer = 'app-package'

@export()
@description('Queues between the steps (shared/messages.py).')
var queues = ['tile-months', 'products', 'corrections', 'classifications']

@export()
@description('Where the queues put what they give up on; the last one is the queue of the host for blob triggers.')
var poisonQueues = [
  'tile-months-poison'
  'products-poison'
  'corrections-poison'
  'classifications-poison'
  'webjobs-blobtrigger-poison'
]

@export()
@description('Tables of the ledger (shared/adapters/ledger.py).')
var tables = ['products', 'tilemonths']

@export()
@description('Blob-triggered functions, and which blobs Event Grid tells them of. The trigger itself does not filter.')
var blobTriggers = [
  {
    function: 'classify'
    begins: '/blobServices/default/containers/l2a/blobs/'
    ends: '/manifest.safe'
  }
  {
    function: 'drop'
    begins: '/blobServices/default/containers/drop/blobs/'
    ends: ''
  }
]

// https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
@export()
@description('Built-in roles of Azure.')
var roleIds = {
  'Storage Blob Data Owner': 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  'Storage Blob Data Contributor': 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  'Storage Blob Data Reader': '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
  'Storage Queue Data Contributor': '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  'Storage Queue Data Message Sender': 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
  'Storage Queue Data Reader': '19e7f393-937e-4f77-808e-94535e297925'
  'Storage Table Data Contributor': '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
  'Monitoring Metrics Publisher': '3913510d-42f4-4e42-8a64-420c390055eb'
  'Key Vault Secrets User': '4633458b-17de-408a-b874-0445c86b69e6'
  'Key Vault Secrets Officer': 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
  AcrPull: '7f951dda-4ed3-4680-a7ca-43fe172d538d'
}
