"""Everything on one machine: function host, Azurite, simulated Copernicus, command line."""
