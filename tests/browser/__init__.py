"""Tests of the page in headless Chromium."""
