metadata description = 'Settings that may be tuned. Empty means the default of the code (shared/settings.py).'

@export()
@description('Settings of the function app. Set one with `azd env set ICEWATCH_NAME value`, then `azd provision`.')
type Tuning = {
  @description('Six-field timer in UTC of the schedule; empty: every six hours.')
  SCHEDULE: string
  @description('Six-field timer in UTC of the watch; empty: every 15 minutes.')
  WATCH_SCHEDULE: string
  @description('Address of the Copernicus login.')
  COPERNICUS_IDENTITY_URL: string
  @description('Address of the Copernicus catalogue.')
  COPERNICUS_CATALOGUE_URL: string
  @description('Address of the Copernicus downloads.')
  COPERNICUS_DOWNLOAD_URL: string
  @description('Address of a hub that runs DHuS; empty: there is none.')
  DHUS_URL: string
  @description('Connections to the provider at a time, over all instances.')
  DOWNLOAD_SLOTS: string
  @description('Bytes of any 30 days after which everything waits.')
  MONTHLY_BYTES: string
  @description('Bytes of any 30 days after which backfill waits.')
  MONTHLY_BYTES_BACKFILL: string
  @description('Seconds a product waits at first where it cannot begin yet.')
  DOWNLOAD_PAUSE: string
  @description('Seconds for one download; below functionTimeout of host.json.')
  DOWNLOAD_TIME_LIMIT: string
  @description('Backfilled products that may wait in the queues.')
  BACKFILL_ROOM: string
  @description('Percent; a pixel at or above is cloud.')
  CLOUD_PROBABILITY: string
  @description('What makes a pixel cloud: the probability, the scene classification, both or either.')
  CLOUD_RULE: '' | 'probability' | 'scl' | 'both' | 'either'
  @description('Percent of the tile; with less that is usable an acquisition is rejected.')
  MINIMUM_USABLE: string
  @description('Metres; empty: 20, or 60 where a product has only that.')
  RESOLUTION: '' | '20' | '60'
  @description('Lookup table for retrievals, a blob of the container models; empty: nothing is retrieved.')
  LOOKUP_TABLE: string
  @description('Price of a GB-second of the function app, for the cost estimate.')
  PRICE_GB_SECOND: string
  @description('GB of one instance of the function app, for the cost estimate; empty: what is deployed.')
  INSTANCE_GB: string
  @description('Price of a vCPU-second of the container step, for the cost estimate.')
  PRICE_CPU_SECOND: string
  @description('Price of a GiB-second of the container step, for the cost estimate.')
  PRICE_GIB_SECOND: string
  @description('vCPUs of the container step, for the cost estimate.')
  JOB_CPUS: string
  @description('GiB of the container step, for the cost estimate.')
  JOB_GIB: string
}

@export()
@description('Settings of the container step.')
type CorrectionTuning = {
  @description('Whole seconds for one product.')
  CORRECTION_TIME_LIMIT: string
  @description('Deliveries of one message before it goes to the poison queue.')
  CORRECTION_MAX_TRIES: string
  @description('Seconds a received message stays invisible; renewed while the work goes on.')
  CORRECTION_VISIBILITY: string
  @description('How much of the L2A product is kept.')
  CORRECTION_KEEP: '' | '20m' | 'all'
  @description('GiB of disk that one product may fill; the job has 8.')
  CORRECTION_SCRATCH_GIB: string
  @description('Seconds without output and processor time after which a run counts as hung; 0: never.')
  CORRECTION_SILENCE: string
  @description('Whether a result without an elevation model counts as failed.')
  CORRECTION_DEM: '' | 'required' | 'preferred' | 'none'
  @description('Threads that read images: AUTO, or 1 to 8.')
  SEN2COR_THREADS: string
  @description('Aerosol type.')
  SEN2COR_AEROSOL: '' | 'RURAL' | 'MARITIME' | 'AUTO'
  @description('Season of the atmosphere; empty: by date and latitude.')
  SEN2COR_SEASON: '' | 'SUMMER' | 'WINTER' | 'AUTO'
  @description('Ozone in Dobson units; empty: the nearest to what the metadata says.')
  SEN2COR_OZONE: string
}
