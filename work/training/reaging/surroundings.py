"""One background and one set of clothes for all ages of a rendered person: only the person may change with age.

    picture_a = H (M_a I_a + (1 - M_a) B) + (1 - H) (M_o I_o + (1 - M_o) B)

I_a is the generator's picture at age a, M_a its matte, o the age nearest to the person's own, and H the head, hair
included. B is the background as all ages show it between them: where the head covers it at one age, another shows it.
"""

from __future__ import annotations

import numpy as np

NEAR = 15.0  # years over which a picture's background counts 1/e
# Shares of the height: what lies higher is head up to the borders, what lies lower fades to clothes
HAIR = (0.78, 0.98)
# The same below the chin, and how far from the middle that reaches.
NECK = ((0.88, 1.04), (0.18, 0.34))
MARGIN = 0.03  # of the side, around a matte: hair ends and shadows are no background
FAINT = 0.02  # weight below which no age shows the background: it is filled from around


def share_surroundings(
    pictures: np.ndarray, mattes: np.ndarray, ages: np.ndarray, own: float
) -> np.ndarray:
    """Pictures of one person with the same surroundings.

    Args:
        pictures: [A, S, S, 3] float32, any range.
        mattes: [A, S, S], 1 where the person is.
        ages: [A] in years.
        own: years, the age of the generator's sample itself.

    Returns:
        [A, S, S, 3].
    """
    first = int(np.abs(ages - own).argmin())
    around = np.stack([grow(matte) for matte in mattes])[..., None]
    mattes = mattes[..., None]
    background = merge_backgrounds(pictures, around, np.exp(-np.abs(ages - ages[first]) / NEAR))
    people = mattes * pictures + (1 - mattes) * background
    head = head_region(pictures.shape[1])[..., None]
    return (head * people + (1 - head) * people[first]).astype(np.float32)


def head_region(size: int) -> np.ndarray:
    """H, [size, size]: 1 over the head and its hair; below, what is not neck fades to clothes."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    across, down = np.abs(axis[None, :] - 0.5), axis[:, None]
    neck = fade(down, *NECK[0]) * fade(across, *NECK[1])
    return np.maximum(fade(down, *HAIR), neck)


def fade(x: np.ndarray, start: float, end: float) -> np.ndarray:
    """1 up to `start`, falling smoothly to 0 at `end`."""
    ramp = np.clip((end - x) / (end - start), 0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def grow(matte: np.ndarray) -> np.ndarray:
    """A matte [S, S] with a margin around it."""
    import cv2

    side = 2 * round(MARGIN * matte.shape[0]) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return cv2.dilate(matte, kernel)


def merge_backgrounds(pictures: np.ndarray, mattes: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """B, [S, S, 3]: the weighted mean of what pictures [A, S, S, 3] show outside their mattes [A, S, S, 1]."""
    weights = (1 - mattes) ** 2 * shares.reshape(-1, 1, 1, 1)
    total = weights.sum(axis=0)
    mean = (weights * pictures).sum(axis=0) / np.maximum(total, 1e-6)
    return fill(mean, np.clip(total / FAINT, 0, 1))


def fill(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Fill an image [S, S, 3] where `known` [S, S, 1] is below 1, with means from around, at ever coarser scales."""
    if known.min() >= 1 or min(image.shape[:2]) <= 1:
        return image
    import cv2

    half = tuple(max(1, side // 2) for side in image.shape[1::-1])
    weight = cv2.resize(known, half, interpolation=cv2.INTER_AREA)[..., None]
    sums = cv2.resize(image * known, half, interpolation=cv2.INTER_AREA).reshape(
        *weight.shape[:2], 3
    )
    coarse = fill(sums / np.maximum(weight, 1e-6), np.clip(4 * weight, 0, 1))
    coarse = cv2.resize(coarse, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return known * image + (1 - known) * coarse.reshape(image.shape)
