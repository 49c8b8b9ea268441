"""What computes in the place of Paddle's dygraph."""

import sys

# Importing OpenVINO would fork a process that reports each import to Google Analytics. Whoever works with photos of
# faces does not expect that; without this module OpenVINO is silent.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
