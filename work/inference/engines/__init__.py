"""What computes the networks faster than Paddle's dygraph: graphs in OpenVINO or Paddle Inference."""

import sys

# OpenVINO starts a process that reports each import to Google Analytics. Nobody who works with photos of faces expects
# that; without this module OpenVINO is silent.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
