"""Synthetic Sentinel-2 L1C products of an ice margin whose true classes are known."""

from local.scenes.build import build_scene
from local.scenes.month import DEMO_MONTH, DEMO_TILE, demo_month
from local.scenes.spec import Scene, SceneSpec, Swath, Truth

__all__ = ["DEMO_MONTH", "DEMO_TILE", "Scene", "SceneSpec", "Swath", "Truth", "build_scene", "demo_month"]
