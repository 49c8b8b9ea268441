"""The frozen encoder's codes of training and test faces, computed once per face."""

from __future__ import annotations

import paddle
from paddle import Tensor

from work.datasets.training import Batch
from work.models.psp import PSP


class StartCodes:
    """A cache of codes by file and mirroring (the only augmentation). It changes no number.

    Each face is encoded alone. The order of a sum depends on the size of the batch, so only then are a face's codes
    the same to the bit in every epoch, after a resume, and with or without this cache. The codes stay on the device:
    36 KB per face at 1024 px (n_styles * 512 floats). A full cache takes no new faces and drops none: every epoch has
    another order, so dropping would lose codes before they are used.

    Args:
        net: its frozen encoder must not change.
        limit: how many faces to keep; 0 keeps none.
    """

    def __init__(self, net: PSP, limit: int):
        self.net, self.limit = net, limit
        self.codes: dict[tuple, Tensor] = {}

    @paddle.no_grad()
    def __call__(self, faces: Tensor, batch: Batch) -> Tensor | None:
        """The codes [N, n_styles, 512] of a batch; None for a network without a frozen encoder.

        Args:
            faces: the batch's faces [N, 3, 256, 256] on the device.
        """
        if not self.net.start_from_encoded_w_plus:
            return None
        rows = []
        for i, key in enumerate(zip(batch.files, batch.flips)):
            row = self.codes.get(key)
            if row is None:
                row = self.net.pretrained_codes(faces[i : i + 1])
                if len(self.codes) < self.limit:
                    self.codes[key] = row
            rows.append(row)
        return paddle.concat(rows)
