"""Checks of the templates that need no network, no Azure and no Bicep compiler: ``python -m infra.check``."""
