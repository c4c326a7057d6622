"""Mutual scoring (MuSc) in plain NumPy, step by step as the paper has it."""

import math

import numpy as np


def neighbourhoods(layer, side):
    """(h, w, c) normalised as a whole, averaged over side x side places, rows of length 1."""
    layer = layer.astype(np.float64)
    values = (layer - layer.mean()) / np.sqrt(layer.var() + 1e-5)
    reach = side // 2
    padded = np.pad(values, ((reach, reach), (reach, reach), (0, 0)))
    averaged = np.zeros_like(values)
    for y in range(layer.shape[0]):
        for x in range(layer.shape[1]):
            averaged[y, x] = padded[y : y + side, x : x + side].mean(axis=(0, 1))
    return averaged / np.linalg.norm(averaged, axis=2, keepdims=True)


def mutual_map(rows, number, share):
    """(h, w): the patches of one of the images (n, h, w, c) against all others."""
    others = []
    for other in range(len(rows)):
        if other != number:
            offsets = rows[number][:, :, None, None] - rows[other][None, None]
            others.append(np.sqrt((offsets.astype(np.float64) ** 2).sum(axis=4)).min(axis=(2, 3)))
    lowest = np.sort(others, axis=0)[: max(1, math.floor(share * len(others)))]
    return lowest.mean(axis=0)


def musc(layers, share=0.3):
    """(n, h, w): the maps of n images, from the layers, each (n, h, w, c)."""
    maps = []
    for side in (1, 3, 5):
        of_layers = []
        for layer in layers:
            rows = [neighbourhoods(one, side) for one in layer]
            of_layers.append([mutual_map(rows, i, share) for i in range(len(rows))])
        maps.append(np.mean(of_layers, axis=0))
    return np.mean(maps, axis=0)


def between_corners(values, size):
    """(h, w) interpolated bilinearly, the outermost values in the corners."""
    height, width = values.shape
    found = np.zeros(size)
    for i in range(size[0]):
        for j in range(size[1]):
            y, x = i * (height - 1) / (size[0] - 1), j * (width - 1) / (size[1] - 1)
            top, left = min(int(y), height - 2), min(int(x), width - 2)
            dy, dx = y - top, x - left
            found[i, j] = (
                (1 - dy) * (1 - dx) * values[top, left]
                + (1 - dy) * dx * values[top, left + 1]
                + dy * (1 - dx) * values[top + 1, left]
                + dy * dx * values[top + 1, left + 1]
            )
    return found


def rscin(scores, features, neighbours):
    """Scores (n,) averaged over images that look alike, by features (n, d)."""
    scaled = (scores - scores.min()) / (scores.max() - scores.min())
    weights = features @ features.T
    results = []
    for k in neighbours:
        window = np.zeros_like(weights)
        for i, row in enumerate(weights):
            kept = np.argsort(-row)[:k]
            window[i, kept] = row[kept]
        results.append((window / window.sum(axis=1, keepdims=True)) @ scaled)
    return np.mean(results, axis=0)
