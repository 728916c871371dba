import numpy as np


def squares(rows: int = 20, columns: int = 25, spacing: int = 20) -> np.ndarray:
    """Squares of 5 to 13 pixels, of many brightnesses."""
    random = np.random.default_rng(3)
    image = np.zeros((rows * spacing, columns * spacing), np.uint8)
    for row in range(rows):
        for column in range(columns):
            size = int(random.integers(5, 14))
            at = np.s_[row * spacing : row * spacing + size, column * spacing : column * spacing + size]
            image[at] = random.integers(140, 256)
    return image
