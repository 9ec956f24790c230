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
