"""The frozen encoder's codes of training and test faces, computed once for each face."""

from __future__ import annotations

import paddle
from paddle import Tensor

from work.datasets.training import Batch
from work.models.psp import PSP


class StartCodes:
    """Codes by file and whether it is mirrored, the only augmentation; nothing here changes a number.

    Each face is encoded alone: sums are ordered by the size of a batch, so only then is a face's code the same to the
    bit in every epoch, after a resume, with this memory and without. The codes stay on the device: n_styles * 512 * 4
    bytes a face, 36 KB at 1024 px. Once `limit` faces are known no more are added: every epoch has another order, and
    making room would lose codes before they are used.

    Args:
        net: its frozen encoder has to stay as it is.
        limit: faces to keep; 0 keeps none.
    """

    def __init__(self, net: PSP, limit: int):
        self.net, self.limit = net, limit
        self.known: dict[tuple, Tensor] = {}

    @paddle.no_grad()
    def __call__(self, faces: Tensor, batch: Batch) -> Tensor | None:
        """The codes [N, n_styles, 512] of a batch whose faces [N, 3, 256, 256] are on the device.

        None for a network without a frozen encoder.
        """
        if not self.net.start_from_encoded_w_plus:
            return None
        rows = []
        for i, key in enumerate(zip(batch.files, batch.flips)):
            row = self.known.get(key)
            if row is None:
                row = self.net.pretrained_codes(faces[i : i + 1])
                if len(self.known) < self.limit:
                    self.known[key] = row
            rows.append(row)
        return paddle.concat(rows)
