"""One background and one set of clothes for all ages of a rendered person: only the person may change with age.

    picture_a = H (M_a I_a + (1 - M_a) B) + (1 - H) (M_o I_o + (1 - M_o) B)

I_a is the generator's picture at age a, M_a its matte, o the age nearest to the person's own, and H the head, hair
included. B is the background as all ages show it between them: where the head covers it at one age, another shows it.
"""

from __future__ import annotations

import numpy as np

from work.faces.head_mask import head_mask

NEAR = 15.0  # years over which a picture's background counts 1/e
HAIR = (
    0.72,
    0.92,
)  # of the height: what lies higher is head up to the borders, what lies lower is not
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
    mattes = mattes[..., None]
    background = merge_backgrounds(pictures, mattes, np.exp(-np.abs(ages - ages[first]) / NEAR))
    people = mattes * pictures + (1 - mattes) * background
    head = head_region(pictures.shape[1])[..., None]
    return (head * people + (1 - head) * people[first]).astype(np.float32)


def head_region(size: int) -> np.ndarray:
    """H, [size, size]: the head mask of the composite below, everything above."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    across, down = axis[None, :], axis[:, None]
    high = np.clip((HAIR[1] - down) / (HAIR[1] - HAIR[0]), 0, 1)
    return np.maximum(head_mask(across, down), high * high * (3 - 2 * high))


def merge_backgrounds(pictures: np.ndarray, mattes: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """B, [S, S, 3]: the weighted mean of what pictures [A, S, S, 3] show outside their mattes [A, S, S, 1]."""
    weights = (1 - mattes) ** 2 * shares.reshape(-1, 1, 1, 1)
    total = weights.sum(axis=0)
    mean = (weights * pictures).sum(axis=0) / np.maximum(total, 1e-6)
    return fill(mean, np.clip(total / FAINT, 0, 1))


def fill(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """An image [S, S, 3] where it is known [S, S, 1], elsewhere the mean of what is known around, from ever further."""
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
