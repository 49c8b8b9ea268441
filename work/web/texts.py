"""All words of the web page, in English and Chinese."""

from __future__ import annotations

LANGUAGES = {"en": "English", "zh": "中文"}

TEXTS: dict[str, dict[str, str]] = {
    "title": {
        "en": "# Age a face\nNothing you upload leaves this machine or is kept: it is deleted when "
        "you close the page.",
        "zh": "# 人脸年龄变换\n照片只在本机处理，不会保存；关闭页面后即被删除。",
    },
    "photo": {"en": "Your photo", "zh": "你的照片"},
    "drop": {
        "en": "Drop a photo here, click to choose one, or use the camera below",
        "zh": "把照片拖到这里，点击选择，或使用下方的摄像头",
    },
    "who": {"en": "Which face, from left to right", "zh": "选择人脸（从左到右）"},
    "age": {"en": "Target age in years", "zh": "目标年龄（岁）"},
    "face": {"en": "The aged face", "zh": "变换后的人脸"},
    "pasted": {"en": "In your photo", "zh": "放回照片中"},
    "save_face": {"en": "Download the face", "zh": "下载人脸"},
    "save_pasted": {"en": "Download the photo", "zh": "下载照片"},
    "strip_tab": {"en": "Lifespan", "zh": "一生"},
    "strip_run": {"en": "Show ages 0 to 100", "zh": "显示 0 到 100 岁"},
    "strip": {"en": "Ages 0 to 100", "zh": "0 到 100 岁"},
    "save_strip": {"en": "Download the strip", "zh": "下载长图"},
    "film_tab": {"en": "Film", "zh": "视频"},
    "film_run": {"en": "Make a film from 0 to 100 and back", "zh": "制作 0 到 100 岁往返视频"},
    "seconds": {"en": "Seconds", "zh": "时长（秒）"},
    "film": {"en": "Film", "zh": "视频"},
    "save_film": {"en": "Download the film", "zh": "下载视频"},
    "mix_tab": {"en": "Style of another photo", "zh": "风格混合"},
    "reference": {"en": "Photo whose style is taken", "zh": "提供风格的照片"},
    "strength": {"en": "How much of it", "zh": "混合强度"},
    "what": {"en": "What is taken", "zh": "混合内容"},
    "fine": {"en": "colours and skin", "zh": "颜色与肤质"},
    "middle": {"en": "hair and features too", "zh": "还包括发型与五官"},
    "mix_run": {"en": "Mix, at the target age above", "zh": "按上方的目标年龄混合"},
    "mixed": {"en": "The mixture", "zh": "混合结果"},
    "save_mixed": {"en": "Download the mixture", "zh": "下载混合结果"},
    # What the page says.
    "hello": {
        "en": "Choose a photo with a face to begin.",
        "zh": "请先选择一张有人脸的照片。",
    },
    "found": {
        "en": "Estimated age: **{age:.0f}**. Move the slider to another age.",
        "zh": "估计年龄：**{age:.0f}** 岁。拖动滑块选择目标年龄。",
    },
    "no_face": {
        "en": "**No face was found in this photo.** Take one in which a face looks towards the "
        "camera, is not hidden, and is at least {smallest:g} pixels wide.",
        "zh": "**照片中没有找到人脸。** 请选择人脸正对镜头、没有遮挡、宽度不小于 {smallest:g} "
        "像素的照片。",
    },
    "too_many_pixels": {
        "en": "**This photo has too many pixels:** at most {limit:g} megapixels are taken. "
        "Please make it smaller.",
        "zh": "**照片太大：** 上限为 {limit:g} 百万像素，请先缩小。",
    },
    "unreadable": {
        "en": "**This file cannot be read as a photo:** {reason}.",
        "zh": "**无法读取这个文件：** {reason}。",
    },
    "failed": {"en": "**This did not work:** {reason}", "zh": "**操作失败：** {reason}"},
    "need_photo": {
        "en": "**Choose a photo first**, above. (After an hour without use it has to be chosen again.)",
        "zh": "**请先在上方选择照片。**（超过一小时未使用需要重新选择。）",
    },
    "need_reference": {
        "en": "**Choose a photo whose style is to be taken.**",
        "zh": "**请选择提供风格的照片。**",
    },
    # Progress.
    "reading": {"en": "Reading the photo", "zh": "读取照片"},
    "looking": {"en": "Looking for faces", "zh": "查找人脸"},
    "learning": {"en": "Learning this face", "zh": "学习这张脸"},
    "ageing": {"en": "Ageing", "zh": "变换年龄"},
    "pasting": {"en": "Putting it back", "zh": "放回照片"},
    "filming": {"en": "Drawing frames", "zh": "绘制视频帧"},
}


def text(key: str, language: str, **values: object) -> str:
    """One text in a language of LANGUAGES, with its values filled in."""
    return TEXTS[key][language].format(**values)


def preferred(accept_language: str) -> str:
    """The page's language for a browser's Accept-Language header, such as "zh-CN,zh;q=0.9,en;q=0.8"."""
    wishes = []
    for part in accept_language.split(","):
        name, _, weight = part.strip().partition(";q=")
        try:
            wishes.append((float(weight or 1), name.split("-")[0].lower()))
        except ValueError:
            continue
    wishes.sort(key=lambda wish: -wish[0])
    return next((name for _, name in wishes if name in LANGUAGES), "en")
