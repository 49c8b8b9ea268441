"""Face embeddings: IR-SE50 (ArcFace; the identity loss) and CurricularFace IR-101 (the similarity metric)."""

from __future__ import annotations

from paddle import Tensor, nn

from work.models.encoders.irse import body, input_layer, l2_normalize
from work.models.ops.batch_norm import BatchNorm2D


class _Embedding(nn.Layer):
    """The body and head that both networks share; the similarity of two unit vectors is their dot product."""

    def __init__(self, num_layers: int, se: bool, affine: bool, dropout: float):
        super().__init__()
        self.input_layer = input_layer(3)
        self.body = body(num_layers, se)
        norm = (
            nn.BatchNorm1D(512)
            if affine
            else nn.BatchNorm1D(512, weight_attr=False, bias_attr=False)
        )
        self.output_layer = nn.Sequential(
            BatchNorm2D(512),
            nn.Dropout(dropout),
            nn.Flatten(),
            nn.Linear(512 * 7 * 7, 512),
            norm,
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.input_layer(x)
        for block in self.body:
            x = block(x)
        return l2_normalize(self.output_layer(x))


class IRSE50(_Embedding):
    """IR-SE50 trained with ArcFace on MS1M: faces [N, 3, 112, 112] in [-1, 1] -> unit vectors [N, 512]."""

    def __init__(self):
        super().__init__(50, se=True, affine=True, dropout=0.6)


class CurricularFaceIR101(_Embedding):
    """CurricularFace's IR-101 (Huang et al. 2020): faces [N, 3, 112, 112] in [-1, 1] -> unit vectors [N, 512]."""

    def __init__(self):
        super().__init__(100, se=False, affine=False, dropout=0.4)
