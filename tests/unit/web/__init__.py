"""Tests of marketwatch.web."""
