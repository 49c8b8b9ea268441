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
        "en": "Drop a photo here, click to choose one, or use the camera below (up to {limit} MB)",
        "zh": "把照片拖到这里，点击选择，或使用下方的摄像头（不超过 {limit} MB）",
    },
    "who": {"en": "Which face, from left to right", "zh": "选择人脸（从左到右）"},
    "age": {"en": "Target age in years", "zh": "目标年龄（岁）"},
    "preset_child": {"en": "child", "zh": "儿童"},
    "quality": {"en": "Quality", "zh": "质量"},
    "draft": {"en": "draft", "zh": "草稿"},
    "good": {"en": "good", "zh": "良好"},
    "best": {"en": "best", "zh": "最佳"},
    "compare": {
        "en": "Border between before and after",
        "zh": "变换前后的分界",
    },
    "before": {"en": "before", "zh": "变换前"},
    "after": {"en": "after", "zh": "变换后"},
    "save_face": {"en": "Download the face", "zh": "下载人脸"},
    "save_pasted": {"en": "Download the photo", "zh": "下载照片"},
    "strip_tab": {"en": "Lifespan", "zh": "一生"},
    "strip_run": {"en": "Show ages 0 to 100", "zh": "显示 0 到 100 岁"},
    "strip": {"en": "Ages 0 to 100", "zh": "0 到 100 岁"},
    "save_strip": {"en": "Download the strip", "zh": "下载长图"},
    "film_tab": {"en": "Film", "zh": "视频"},
    "film_run": {"en": "Make a film from 0 to 100 and back", "zh": "制作 0 到 100 岁往返视频"},
    "film_what": {"en": "What is shown", "zh": "画面"},
    "face": {"en": "the face", "zh": "人脸"},
    "whole": {"en": "the whole photo", "zh": "整张照片"},
    "seconds": {"en": "Seconds", "zh": "时长（秒）"},
    "film": {"en": "Film", "zh": "视频"},
    "save_film": {"en": "Download the film", "zh": "下载视频"},
    "recast_tab": {"en": "Your film", "zh": "你的视频"},
    "clip": {
        "en": "A film with people (up to {film_limit} MB and {film_seconds} seconds)",
        "zh": "含有人物的视频（不超过 {film_limit} MB、{film_seconds} 秒）",
    },
    "recast_run": {
        "en": "Age its people, to the target age above",
        "zh": "按上方的目标年龄变换视频中的人物",
    },
    "recast_stop": {"en": "Stop", "zh": "停止"},
    "recast": {"en": "Film with aged people", "zh": "变换后的视频"},
    "save_recast": {"en": "Download the film", "zh": "下载视频"},
    "mix_tab": {"en": "Style of another photo", "zh": "风格混合"},
    "reference": {"en": "Photo whose style is taken", "zh": "提供风格的照片"},
    "strength": {"en": "How much of it", "zh": "混合强度"},
    "what": {"en": "What is taken", "zh": "混合内容"},
    "fine": {"en": "colours and skin", "zh": "颜色与肤质"},
    "middle": {"en": "hair and features too", "zh": "还包括发型与五官"},
    "mix_run": {"en": "Mix, at the target age above", "zh": "按上方的目标年龄混合"},
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
    "drafted": {
        "en": "Estimated age: **{age:.0f}**. This is a draft; a better picture follows.",
        "zh": "估计年龄：**{age:.0f}** 岁。这是草稿，更好的结果即将生成。",
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
    "photo_too_large": {
        "en": "**This photo is too large:** at most {limit} MB are taken.",
        "zh": "**照片文件过大：** 上限为 {limit} MB。",
    },
    "unreadable_film": {
        "en": "**This file cannot be read as a film:** {reason}.",
        "zh": "**无法读取这个视频：** {reason}。",
    },
    "film_too_long": {
        "en": "**This film is too long:** it has {seconds:.0f} seconds, at most {limit:g} are taken.",
        "zh": "**视频太长：** 共 {seconds:.0f} 秒，上限为 {limit:g} 秒。",
    },
    "too_young_for_film": {
        "en": "**In films people can be {youngest:g} or older.** Move the age slider.",
        "zh": "**视频中的目标年龄至少为 {youngest:g} 岁。** 请移动年龄滑块。",
    },
    "nobody_in_film": {
        "en": "**Nobody in this film can be changed.** Faces must be at least {smallest:g} pixels wide and look "
        "towards the camera.",
        "zh": "**视频中没有可以变换的人脸。** 人脸宽度应不小于 {smallest:g} 像素，并朝向镜头。",
    },
    "need_film": {"en": "**Choose a film first.**", "zh": "**请先选择视频。**"},
    "stopped": {"en": "Stopped.", "zh": "已停止。"},
    "too_large": {
        "en": "this file is larger than {limit} MB",
        "zh": "文件超过 {limit} MB",
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
    "busy": {
        "en": "**Too many people are waiting.** Please try again in a few minutes.",
        "zh": "**排队人数过多。** 请几分钟后再试。",
    },
    # Waiting and progress.
    "next": {"en": "You are next.", "zh": "马上轮到你。"},
    "one_before": {"en": "{people} person before you", "zh": "前面还有 {people} 人"},
    "some_before": {"en": "{people} people before you", "zh": "前面还有 {people} 人"},
    "reading": {"en": "Reading the photo", "zh": "读取照片"},
    "looking": {"en": "Looking for faces", "zh": "查找人脸"},
    "drafting": {"en": "Drafting", "zh": "生成草稿"},
    "learning": {"en": "Learning this face", "zh": "学习这张脸"},
    "ageing": {"en": "Ageing", "zh": "变换年龄"},
    "pasting": {"en": "Putting it back", "zh": "放回照片"},
    "reading_film": {"en": "Reading the film", "zh": "读取视频"},
    "finding": {"en": "Finding people", "zh": "查找人物"},
    "recasting": {"en": "Changing their age", "zh": "变换年龄"},
    "filming": {"en": "Drawing frames", "zh": "绘制视频帧"},
}


# Why a file is no photo or film: how work/datasets/images.py and work/video/probe.py begin to say it, and Chinese.
REASONS = {
    "cannot be read": "无法打开文件",
    "not an image": "不是支持的图片格式（JPEG、PNG、WebP、TIFF、HEIC、AVIF、BMP、GIF、PPM）",
    "the file is empty": "文件为空",
    "a HEIC photo": "这是 HEIC 照片，服务器未安装读取它的 pillow-heif",
    "not enough memory": "内存不足",
    "damaged": "文件已损坏",
    "is damaged": "文件已损坏",
    "is no film": "不是能读取的视频",
    "frames of": "画面过大，最大 4K（4096 x 2304）",
}
TOO_SMALL = "图片太小，宽和高至少 16 像素"
UNKNOWN = "原因见服务器窗口"


def reason_in(language: str, reason: str) -> str:
    """Why something did not work, in a language: what libraries say in English is left out of Chinese."""
    if language == "en":
        return reason
    if "too small" in reason:
        return TOO_SMALL
    return next((said for start, said in REASONS.items() if reason.startswith(start)), UNKNOWN)


def text(key: str, language: str, **values: object) -> str:
    """One text in a language of LANGUAGES, with its values filled in."""
    if "reason" in values:
        values["reason"] = reason_in(language, str(values["reason"]))
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
